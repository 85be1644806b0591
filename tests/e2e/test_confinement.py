"""A script from an archive reaches the files of its archive and nothing else on the disk, whatever
names it and its archive use."""
import gzip
import io
import json
import os
import tarfile

SECRET = "the secret of this machine"


def archive(lab, script, files=(), entries=(), name="test.tar", filename="file:///t/main.js"):
    """An archive as `gale archive` makes them; `files` are {name: bytes}, `entries` are TarInfos."""
    path = lab.dir / name
    with tarfile.open(path, "w") as tar:
        def add(name, data):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        add("metadata.json", json.dumps({"type": "js", "filename": filename, "pwd": "file:///t/",
                                         "options": {"iterations": 1}, "env": {}}).encode())
        add("data", script.encode())
        for entry, data in dict(files).items():
            add(entry, data)
        for info in entries:
            tar.addfile(info)
    return path


def link(name, to, kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, to
    if kind in (tarfile.CHRTYPE, tarfile.BLKTYPE):
        info.devmajor, info.devminor = 1, 5
    return info


def refused(lab, script, *, secret, **kwargs):
    path = archive(lab, script, **kwargs)
    r = lab.gale("run", "--quiet", path)
    assert r.code == 107 and SECRET not in r.text, (script, r.code, r.text)
    assert "is not in the archive" in r.stderr, (script, r.text)
    assert secret.read_text() == SECRET


def test_open_and_imports_stay_in_the_archive(lab):
    secret = lab.file("secret.txt", SECRET)
    module = lab.file("secret.js", f"throw '{SECRET}';")
    up = "../" * 20
    paths = [f"{secret}", f"file://{secret}", f"{up}{secret}", f"./{up}{secret}", f"/t/{up}{secret}",
             f"file:///t/{up}{secret}", f"/{secret}", f"/t/.//{up}.{secret}", "/proc/self/environ",
             "/dev/zero", "secret.txt"]
    for path in paths:
        refused(lab, f"open('{path}'); export default function () {{}}", secret=secret)
        refused(lab, f"import fs from 'k6/experimental/fs'; await fs.open('{path}'); export default function () {{}}",
                secret=secret)
        refused(lab, f"""import grpc from 'k6/net/grpc'; new grpc.Client().loadProtoset('{path}');
                         export default function () {{}}""", secret=secret)
    for path in (f"{module}", f"file://{module}", f"{up}{module}", f"./{up}{module}"):
        if path[0] != ".":
            refused(lab, f"require('{path}'); export default function () {{}}", secret=secret)
        refused(lab, f"import '{path if path[0] != '.' else './' + path}'; export default function () {{}}",
                secret=secret)
        refused(lab, f"export default function () {{}}; await import('{path if path[0] != '.' else './' + path}');",
                secret=secret)
    # In the archive's own working folder, under the same name.
    refused(lab, "open('./secret.txt'); export default function () {}", secret=secret,
            filename=f"file://{lab.dir}/main.js")


def test_links_and_devices_in_an_archive_are_nothing(lab):
    secret = lab.file("secret.txt", SECRET)
    entries = [link("file/t/soft", str(secret)), link("file/t/up", f"{'../' * 20}{secret}"),
               link("file/t/hard", str(secret), tarfile.LNKTYPE),
               link("file/t/folder", str(lab.dir)), link("file/t/zero", "", tarfile.CHRTYPE),
               link("file/t/block", "", tarfile.BLKTYPE), link("file/t/fifo", "", tarfile.FIFOTYPE)]
    for name in ("soft", "up", "hard", "folder/secret.txt", "zero", "block", "fifo"):
        refused(lab, f"open('/t/{name}'); export default function () {{}}", secret=secret, entries=entries)


def test_an_archive_is_not_unpacked_to_the_disk(lab):
    names = ["file/../../escape.js", "../escape.js", f"{lab.dir}/escape.js", "file//" + str(lab.dir)[1:] + "/escape.js",
             "https/../../escape.js", "files/../escape.js"]
    path = archive(lab, "export default function () {}", files={name: b"x" for name in names})
    before = sorted(os.listdir(lab.dir))
    r = lab.gale("run", "--quiet", path)
    assert r.code == 0, r.text
    assert sorted(os.listdir(lab.dir)) == before
    assert not (lab.dir.parent / "escape.js").exists()


def test_an_archive_that_swells_is_refused(lab):
    info = tarfile.TarInfo("file/t/big")
    info.size = 513 * 1024 * 1024
    path = lab.file("big.tar", gzip.compress(info.tobuf()))
    r = lab.gale("run", "--quiet", path)
    assert r.code == 107 and "the archive is too large at 'file/t/big'" in r.stderr, r.text
    entry = tarfile.TarInfo("file/t/x").tobuf()
    path = lab.file("many.tar", gzip.compress(entry * 100_001))
    r = lab.gale("run", "--quiet", path)
    assert r.code == 107 and "more than 100000 entries" in r.stderr, r.text


def test_protos_neither_escape_nor_become_flags(lab):
    proto = b'syntax = "proto3"; package p; service S { rpc M (A) returns (A); } message A { string name = 1; }\n'
    (lab.dir / "tmp" / "deep").mkdir(parents=True)
    escapes = {"../escape.proto": "escape.proto", f"{lab.dir}/absolute.proto": f"{str(lab.dir)[1:]}/absolute.proto",
               "x/../../y.proto": "y.proto", "--version": "t/--version", "@flags": "t/@flags",
               f"--cpp_out={lab.dir}": f"t/--cpp_out={lab.dir}", "-I/": "t/-I/"}
    env = {"TMPDIR": str(lab.dir / "tmp" / "deep")}
    for name, entry in escapes.items():
        if name.endswith("/"):
            continue
        path = archive(lab, f"""
            import grpc from 'k6/net/grpc';
            const methods = new grpc.Client().load([], '{name}');
            if (methods[0].service !== 'S') throw new Error(JSON.stringify(methods));
            export default function () {{}}""", files={f"file/{entry}": proto})
        before = sorted(str(p) for p in lab.dir.rglob("*"))
        r = lab.gale("run", "--quiet", path, env=env)
        assert r.code == 0, (name, r.text)
        assert sorted(str(p) for p in lab.dir.rglob("*")) == before, name
    for name in ("..", "/", "x/..", ""):
        path = archive(lab, f"""
            import grpc from 'k6/net/grpc'; new grpc.Client().load(['..'], '{name}');
            export default function () {{}}""", files={"file/t/x": proto})
        r = lab.gale("run", "--quiet", path, env=env)
        assert r.code == 107, (name, r.text)
