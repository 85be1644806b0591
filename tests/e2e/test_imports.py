"""Modules over https://: the lock, the cache, archives, and servers that misbehave."""
import hashlib
import json
import socket
import tarfile
import threading
import time

from lab import ok

MAIN = """
import { hello } from '%s/lib/hello.js';
export const options = { vus: 2, iterations: 2 };
export default function () { console.log(hello('world')); }
export function handleSummary() { return {}; }
"""

PAGES = {
    "/lib/hello.js": "import { greet } from './deep/greet.js';\n"
                     "export const hello = (who) => `${greet} ${who}`;\n",
    "/lib/deep/greet.js": "import data from '../../data.json';\nexport const greet = data.greet;\n",
    "/data.json": '{"greet": "good day,"}',
    "/cjs.js": "const { add } = require('./sum.js'); exports.three = add(1, 2); exports.k6 = typeof require('k6').check;",
    "/sum.js": "exports.add = (a, b) => a + b;",
    "/typed.ts?v=2": "export const typed: number = 7;",
    "/throws.js": "export function boom() {\n  throw new Error('from afar');\n}\n",
    "/broken.js": "export const a = 1;\nexport const b = ;\n",
    "/local.js": "import 'file:///etc/hostname.js';",
    "/home/ann/x.js": "export const x = 1;",
}


class Site:
    """An HTTPS server of modules; its certificate is the only one that gale trusts."""

    def __init__(self, lab, pages=None, talk=None):
        self.pages = dict(PAGES if pages is None else pages)
        self.asked = []
        self.server = lab.server(talk or self.talk, lab.certificate("localhost"))
        self.host = f"localhost:{self.server.port}"
        self.url = f"https://{self.host}"
        self.env = {"SSL_CERT_FILE": str(lab.dir / "localhost.pem"),
                    "XDG_CACHE_HOME": str(lab.dir / "cache"), "HTTPS_PROXY": "", "https_proxy": ""}
        self.lab = lab

    def talk(self, conn, data):
        path = data.split()[1].decode()
        self.asked.append(path)
        page = self.pages.get(path)
        if page is None:
            conn.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        elif callable(page):
            page(conn)
        else:
            ok(conn, page.encode())

    def script(self, text, *flags, name="script.js", allow=True, **env):
        text = text.replace("%s", self.url)
        more = ["--allow-import", self.host] if allow else []
        return self.lab.script(text, *more, *flags, name=name, env={**self.env, **env})

    def lock(self):
        return json.loads((self.lab.dir / "gale.lock").read_text())


def fails(result, *texts):
    assert result.code == 107, result.text
    for text in texts:
        assert text in result.stderr, f"no {text!r} in\n{result.stderr}"
    return result


def importing(path):
    return f"import * as m from '%s{path}';\nexport default function () {{ console.log(JSON.stringify(m)); }}\n"


def test_modules_lock_and_cache(lab):
    site = Site(lab)
    r = site.script(MAIN)
    assert r.code == 0 and r.stderr.count("good day, world") == 2, r.text
    assert sorted(site.asked) == ["/data.json", "/lib/deep/greet.js", "/lib/hello.js"], site.asked
    lock = site.lock()
    assert lock["version"] == 1 and len(lock["modules"]) == 3, lock
    for url, entry in lock["modules"].items():
        page = site.pages[url[len(site.url):]].encode()
        assert entry == {"sha256": hashlib.sha256(page).hexdigest(), "size": len(page)}, (url, entry)
        assert (lab.dir / "cache/gale/modules" / entry["sha256"]).read_bytes() == page
    site.server.close()
    r = site.script(MAIN)
    assert r.code == 0 and r.stderr.count("good day, world") == 2, r.text
    assert len(site.asked) == 3, "the second run asked nobody"


def test_other_shapes(lab):
    site = Site(lab)
    r = site.script("""
import cjs, { three } from '%s/cjs.js';
import { typed } from '%s/typed.ts?v=2';
const required = require('%s/a/../cjs.js#fragment');
const es = import.meta.resolve('%s/x/./y.js');
console.log([three, cjs.k6, typed, required.three, es.endsWith('/x/y.js')].join(' '));
export default function () {}
""")
    assert r.code == 0 and "3 function 7 3 true" in r.stderr, r.text
    assert site.asked.count("/cjs.js") == 1, "one URL is one module, however it is spelt"


def test_the_script_itself(lab):
    site = Site(lab)
    site.pages["/main.js"] = MAIN.replace("%s", site.url)
    r = lab.gale("run", "--quiet", "--allow-import", site.host, f"{site.url}/main.js", env=site.env)
    assert r.code == 0 and r.stderr.count("good day, world") == 2, r.text
    assert len(site.lock()["modules"]) == 4
    r = fails(lab.gale("run", "--quiet", f"{site.url}/main.js", env=site.env), "--allow-import")


def test_a_changed_module(lab):
    site = Site(lab)
    assert site.script(importing("/sum.js")).code == 0
    before = site.lock()["modules"][f"{site.url}/sum.js"]["sha256"]
    (lab.dir / "cache/gale/modules" / before).write_text("spoilt")
    assert site.script(importing("/sum.js")).code == 0, "a spoilt cache is fetched again"
    (lab.dir / "cache/gale/modules" / before).unlink()
    site.pages["/sum.js"] += " // evil"
    after = hashlib.sha256(site.pages["/sum.js"].encode()).hexdigest()
    fails(site.script(importing("/sum.js")), f"{site.url}/sum.js", before, after, "--update-lock",
          "script.js:1:")
    assert site.lock()["modules"][f"{site.url}/sum.js"]["sha256"] == before
    assert site.script(importing("/sum.js"), "--update-lock").code == 0
    assert site.lock()["modules"][f"{site.url}/sum.js"]["sha256"] == after
    assert site.script(importing("/sum.js")).code == 0


def test_a_lock_that_is_none(lab):
    site = Site(lab)
    for text in ("<<<<<<< ours", '{"version": 2, "modules": {}}', '{"version": 1}',
                 '{"version": 1, "modules": {"https://x/": {"sha256": "short", "size": 1}}}',
                 '{"version": 1, "modules": {"https://x/": {"sha256": "%s", "size": -1}}}' % ("a" * 64)):
        lab.file("gale.lock", text)
        fails(site.script(importing("/sum.js")), "gale.lock", "delete it")
        # A script that goes on after the error does not make gale write over it.
        r = site.script("try { require('%s/sum.js') } catch (e) { console.log('caught') }\n"
                        "try { require('%s/sum.js') } catch (e) {}\nexports.default = () => {};")
        assert r.code == 0 and "caught" in r.stderr, r.text
        assert (lab.dir / "gale.lock").read_text() == text
    assert site.asked == []


def test_a_folder_that_can_not_be_written(lab):
    site = Site(lab)
    lab.file("cache", "a file, not a folder")
    (lab.dir / "gale.lock").mkdir()
    r = fails(site.script(importing("/sum.js")), "gale.lock")
    (lab.dir / "gale.lock").rmdir()
    assert site.script(importing("/sum.js")).code == 0
    assert len(site.lock()["modules"]) == 1


def test_hosts(lab):
    site = Site(lab)
    r = fails(site.script(importing("/sum.js"), allow=False), f"--allow-import {site.host}",
              "allowed now: jslib.k6.io", "script.js:1:")
    fails(site.script(importing("/sum.js"), "--allow-import", "localhost", allow=False),
          f"--allow-import {site.host}", "jslib.k6.io, localhost")
    plain = "import 'http://example.test/x.js';\nexport default function () {}"
    fails(site.script(plain), "http://", "use https://")
    fails(site.script("import 'https://me:secret@localhost/x.js';"), "user or a password")
    assert "https://****:****@localhost/x.js: the URL" in lab.result.stderr, lab.result.text
    fails(site.script("import 'ftp://localhost/x.js';"), "unknown module")
    assert site.asked == []
    r = site.script(importing("/sum.js"), allow=False, GALE_ALLOW_IMPORT=f"a.test, {site.host}")
    assert r.code == 0, r.text
    r = site.script(importing("/sum.js"), "--allow-import", "https://x/y")
    assert r.code == 104 and "HOST or HOST:PORT" in r.stderr, r.text
    r = site.script(importing("/sum.js"), "--import-timeout", "soon")
    assert r.code == 104 and "--import-timeout" in r.stderr, r.text


def test_http_on_loopback(lab):
    server = lab.server(lambda conn, data: ok(conn, b"export const x = 'plain';"))
    text = f"import {{ x }} from '{server.url}/x.js';\nconsole.log(x);\nexport default function () {{}}"
    fails(lab.script(text, env={"XDG_CACHE_HOME": str(lab.dir / "cache")}), "--allow-import 127.0.0.1:")
    r = lab.script(text, "--allow-import", server.url[7:], env={"XDG_CACHE_HOME": str(lab.dir / "cache")})
    assert r.code == 0 and "plain" in r.stderr, r.text
    r = lab.gale("archive", "--allow-import", server.url[7:], "script.js",
                 env={"XDG_CACHE_HOME": str(lab.dir / "cache")})
    assert f"http/{server.url[7:]}/x.js" in tarfile.open(lab.dir / "archive.tar").getnames()


def test_deps_and_archive(lab):
    site = Site(lab)
    site.script(MAIN + "import '%s/home/ann/x.js';")
    flags = ["--allow-import", site.host]
    r = lab.gale("deps", *flags, "script.js", env=site.env)
    assert f"{site.url}/lib/deep/greet.js\n" in r.stdout, r.text
    r = lab.gale("deps", "--json", *flags, "script.js", env=site.env)
    assert f"{site.url}/lib/hello.js" in json.loads(r.stdout)["imports"], r.text
    assert lab.gale("archive", *flags, "script.js", env=site.env).code == 0, lab.result.text
    site.server.close()
    names = tarfile.open(lab.dir / "archive.tar").getnames()
    for name in ("lib/hello.js", "lib/deep/greet.js", "data.json", "home/ann/x.js"):
        assert f"https/{site.host}/{name}" in names, names
    elsewhere = lab.file("elsewhere/empty", "").parent
    (lab.dir / "archive.tar").rename(elsewhere / "t.tar")
    r = lab.gale("run", "--quiet", elsewhere / "t.tar", env={"XDG_CACHE_HOME": str(elsewhere)})
    assert r.code == 0 and r.stderr.count("good day, world") == 2, r.text
    assert not (elsewhere / "gale.lock").exists()


def test_an_archive_asks_nobody(lab):
    site = Site(lab)
    site.script("if (__ENV.MORE) require('%s/cjs.js');\nexports.default = () => {};")
    assert lab.gale("archive", "--allow-import", site.host, "script.js", env=site.env).code == 0
    asked = len(site.asked)
    r = lab.gale("run", "--quiet", "--allow-import", site.host, "-e", "MORE=1", "archive.tar", env=site.env)
    fails(r, "is not in the archive")
    assert len(site.asked) == asked


def test_statuses_and_redirects(lab):
    def go(to, status=302):
        return lambda conn: conn.sendall(
            b"HTTP/1.1 %d X\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % (status, to.encode()))
    site = Site(lab)
    site.pages.update({
        "/moved.js": go("/sum.js", 308), "/loop.js": go("/loop.js"),
        "/away.js": go("https://elsewhere.test/x.js"), "/down.js": go("http://example.test/x.js"),
        "/nowhere.js": go("https://["), "/500.js": lambda conn: conn.sendall(
            b"HTTP/1.1 500 Oops\r\nContent-Length: 3\r\n\r\nno!")})
    r = site.script(importing("/moved.js"))
    assert r.code == 0, r.text
    assert list(site.lock()["modules"]) == [f"{site.url}/moved.js"]
    fails(site.script(importing("/gone.js")), f"{site.url}/gone.js", "status 404", "script.js:1:")
    fails(site.script(importing("/500.js")), "status 500")
    fails(site.script(importing("/loop.js")), "more than 10 redirects")
    fails(site.script(importing("/away.js")), "https://elsewhere.test/x.js", "--allow-import elsewhere.test")
    fails(site.script(importing("/down.js")), "http://example.test/x.js", "use https://")
    fails(site.script(importing("/nowhere.js")), "redirect")
    assert site.asked.count("/loop.js") == 11, site.asked


def test_too_much(lab):
    def huge(conn):
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1 << 30))
        for _ in range(1 << 10):
            conn.sendall(b"/" * (1 << 20))

    def endless(conn):
        conn.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            conn.sendall(b"/" * (1 << 20))
    site = Site(lab, {"/huge.js": huge, "/endless.js": endless})
    fails(site.script(importing("/huge.js")), "huge.js has more than 16777216 bytes")
    fails(site.script(importing("/endless.js")), "endless.js has more than 16777216 bytes")
    assert not (lab.dir / "gale.lock").exists()


def test_slow_and_broken_servers(lab):
    def stall(conn):
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        conn.recv(1)

    def drip(conn):
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        for _ in range(1000):
            conn.sendall(b" ")
            time.sleep(0.05)

    def cut(conn):
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    site = Site(lab, {"/stall.js": stall, "/drip.js": drip, "/cut.js": cut,
                      "/garbage.js": lambda conn: conn.sendall(b"\0\1\2 not HTTP\r\n\r\n")})
    fails(site.script(importing("/stall.js"), "--import-timeout", "1s"), "stall.js: no complete answer within 1")
    fails(site.script(importing("/drip.js"), "--import-timeout", "1s"), "drip.js: no complete answer within 1")
    fails(site.script(importing("/cut.js")), "cut.js", "EOF")
    fails(site.script(importing("/garbage.js")), "garbage.js")
    site.server.close()
    fails(site.script(importing("/x.js")), "x.js", "refused")


def test_tls_that_is_none(lab):
    site = Site(lab)

    def from_host(port, **env):
        text = f"import 'https://localhost:{port}/x.js';\nexport default function () {{}}"
        return lab.script(text, "--allow-import", f"localhost:{port}", "--import-timeout", "10s",
                          env={**site.env, **env})
    garbage = socket.socket()
    garbage.bind(("127.0.0.1", 0))
    garbage.listen(8)

    def serve():
        while True:
            try:
                conn, _ = garbage.accept()
            except OSError:
                return
            conn.recv(10)
            conn.sendall(b"this is no TLS at all\r\n\r\n")
            conn.close()
    threading.Thread(target=serve, daemon=True).start()
    lab.closing.append(garbage.close)
    fails(from_host(garbage.getsockname()[1]), "tls")
    fails(from_host(site.server.port, SSL_CERT_FILE="/dev/null"), "certificate")
    lab.certificate("other")
    fails(from_host(site.server.port, SSL_CERT_FILE=str(lab.dir / "other.pem")), "certificate")
    assert site.asked == []


def test_errors_in_remote_code(lab):
    site = Site(lab)
    fails(site.script(importing("/broken.js")), f"{site.url}/broken.js:2:", "export const b = ;")
    fails(site.script("import { boom } from '%s/throws.js';\nboom();\nexport default function () {}"),
          "from afar", f"{site.url}/throws.js:2:", "throw new Error('from afar')")
    fails(site.script(importing("/local.js")), "a module of the network can't import", "file:///etc/hostname.js")
    fails(site.script("open('%s/data.json');\nexport default function () {}"), "only modules come over the network")
    site.pages["/opens.js"] = "open('./x.txt'); export const a = 1;"
    fails(site.script(importing("/opens.js")), "/x.txt", "only modules come over the network")


def test_too_many(lab):
    server = lab.server(lambda conn, data: ok(conn, b"exports.a = 1;"))
    fails(lab.script(f"for (let i = 0; i <= 1000; i++) require(`{server.url}/${{i}}.js`);\nexports.default = () => {{}};",
                     "--allow-import", server.url[7:], env={"XDG_CACHE_HOME": str(lab.dir / "cache")}),
          "at most 1000 modules")
