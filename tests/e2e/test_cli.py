"""The command line: help, versions, flags, archives, inspection."""
import json
import os
import pathlib
import tarfile

SIMPLE = "export const options = { vus: 2, iterations: 4 };\nexport default function () {}\n"


def test_help_teaches(lab):
    r = lab.gale("--help")
    assert r.code == 0 and "Commands:" in r.stdout and "gale run" in r.stdout
    r = lab.gale("run", "--help")
    assert r.code == 0 and "--vus" in r.stdout and "Examples:" in r.stdout and "99" in r.stdout


def test_version(lab):
    assert lab.gale("version").stdout.startswith("gale v")
    assert json.loads(lab.gale("version", "--json").stdout)["version"]


def test_unknown_command_and_flag(lab):
    r = lab.gale("rum")
    assert r.code != 0 and "unknown command 'rum'" in r.stderr
    r = lab.gale("run", "--vsu", "3", "x.js")
    assert r.code == 104 and "did you mean --vus?" in r.stderr
    r = lab.gale("run", "--nope", "x.js")
    assert r.code == 104 and "unknown flag --nope: see --help" in r.stderr, r.text
    r = lab.gale("run", "--no-summary", "x.js")
    assert r.code == 104 and "--summary-mode=disabled" in r.stderr, r.text
    r = lab.gale("run", "--vus")
    assert r.code == 104 and "needs a value" in r.stderr
    r = lab.gale("run", "-u", "many", lab.file("s.js", SIMPLE))
    assert r.code == 104 and "whole number" in r.stderr


def test_fleets_flags_need_a_fleet(lab):
    script = lab.file("s.js", SIMPLE)
    for flag in ("--regions", "--load", "--on-region-lost"):
        r = lab.gale("run", flag, "total", script)
        assert r.code == 104 and f"flag {flag} needs --fleet" in r.stderr, r.text
    r = lab.gale("fleet", "agents", "--fleet", "http://127.0.0.1:1")
    assert r.code != 0 and "is gale controller running there" in r.stderr, r.text


def test_missing_file(lab):
    r = lab.gale("run", "nope.js")
    assert r.code == 107 and "nope.js" in r.stderr, r.text


def test_stdin(lab):
    r = lab.gale("run", "--quiet", "-", stdin="export default function () { console.log('from stdin'); }")
    assert r.code == 0 and "from stdin" in r.stderr


def test_stdin_may_be_typescript(lab):
    script = "interface Box { n: number }\nexport default function (): void {\n  const b: Box = { n: 5 };\n  console.log(`n is ${b.n}`);\n%s}\n"
    r = lab.gale("run", "--quiet", "-", stdin=script % "")
    assert r.code == 0 and "n is 5" in r.stderr, r.text
    r = lab.gale("run", "--quiet", "-", stdin=script % "  throw new Error('here');\n")
    assert "/-:5:" in r.stderr, r.stderr
    r = lab.gale("run", "--quiet", "-", stdin="export default function () {\n  const = 5;\n}\n")
    assert r.code == 107 and ":2:9" in r.stderr, r.text
    r = lab.gale("run", "--quiet", "-", stdin=script % "", env={"GALE_ESBUILD": "/nonexistent"})
    assert r.code == 107 and "/-:1:1:" in r.stderr, r.text


def test_precedence(lab):
    script = "export const options = { vus: 2, iterations: 2 };\nexport default function () {}\n"
    path = lab.file("s.js", script)
    config = lab.file("config.json", '{"vus": 7, "iterations": 7, "batch": 3}')

    def inspect(*flags, env=None):
        r = lab.gale("inspect", "--config", config, *flags, path, env=env)
        assert r.code == 0, r.text
        return json.loads(r.stdout)

    assert inspect()["vus"] == 2 and inspect()["batch"] == 3
    assert inspect(env={"K6_VUS": "3", "K6_ITERATIONS": "5"})["vus"] == 3
    assert inspect("-u", "4", "-i", "9", env={"K6_VUS": "3"})["vus"] == 4


def test_inspect_has_k6s_shape(lab):
    script = """
export const options = { scenarios: { browse: { executor: 'constant-vus', vus: 2, duration: '1s' },
  buy: { executor: 'per-vu-iterations', vus: 1, iterations: 2, exec: 'buy', tags: { kind: 'money' } } },
  thresholds: { checks: ['rate>0.9'] } };
export default function () {} export function buy() {}"""
    r = lab.gale("inspect", "--execution-requirements", lab.file("s.js", script))
    got = json.loads(r.stdout)
    assert got["totalDuration"] == "10m30s" and got["maxVUs"] == 3, got
    assert got["scenarios"]["buy"]["exec"] == "buy" and got["scenarios"]["browse"]["exec"] is None
    assert "rate\\u003e0.9" in r.stdout and got["vus"] is None


def test_archive_round_trip(lab):
    lab.file("lib/util.js", "export const twice = (n) => n * 2;\n")
    lab.file("data.txt", "hello")
    script = lab.file("main.js", "import { twice } from './lib/util.js';\nconst d = open('./data.txt');\n"
                      "export const options = { vus: 1, iterations: 2 };\n"
                      "export default function () { console.log(`${d} ${twice(21)} ${__ENV.WHO}`); }\n")
    r = lab.gale("archive", "-e", "WHO=me", "-O", "t.tar", script)
    assert r.code == 0, r.text
    with tarfile.open(lab.dir / "t.tar") as tar:
        names = tar.getnames()
        meta = json.load(tar.extractfile("metadata.json"))
    assert "data" in names and any(n.endswith("lib/util.js") for n in names), names
    assert meta["type"] == "js" and meta["env"]["WHO"] == "me" and meta["options"]["iterations"] == 2
    for path in ("lib/util.js", "data.txt", "main.js"):
        (lab.dir / path).unlink()
    r = lab.gale("run", "--quiet", "t.tar")
    assert r.code == 0 and r.stderr.count("hello 42 me") == 2, r.text


def test_damaged_archive(lab):
    path = lab.file("bad.tar", os.urandom(4096))
    r = lab.gale("run", path)
    assert r.code == 107 and "archive" in r.stderr


def test_new_writes_once(lab):
    assert lab.gale("new").code == 0
    r = lab.gale("new")
    assert r.code != 0 and "--force" in r.stderr
    assert lab.gale("new", "--force", "--template", "protocol").code == 0
    assert lab.gale("inspect", "script.js").code == 0


def test_new_fills_templates(lab):
    for template in ("minimal", "protocol"):
        assert lab.gale("new", "--force", "--project-id", "77", "--template", template).code == 0
        assert json.loads(lab.gale("inspect", "script.js").stdout)["cloud"] == {"projectID": 77}
    mine = lab.file("mine.tpl", "// {{ .ScriptName }} of {{.ProjectID}}: a }} and { {\nexport default function () {}\n")
    r = lab.gale("new", "--template", mine, "--project-id", "5", "made.js")
    assert r.code == 0 and (lab.dir / "made.js").read_text().startswith("// made.js of 5: a }} and { {\n"), r.text
    for text, said in (("{{ range .X }}", "{{ range .X }} stands for nothing"), (None, "there is no template")):
        r = lab.gale("new", "--template", lab.file("bad.tpl", text) if text else "none.tpl", "bad.js")
        assert r.code == 104 and said in r.stderr and not (lab.dir / "bad.js").exists(), r.text
    assert lab.gale("new", "--project-id", "x", "bad.js").code == 104


def test_compatibility_modes(lab):
    script = "export default function () { console.log(`${typeof global} ${'global' in globalThis}`); }"
    assert "object true" in lab.script(script).stderr
    assert "undefined false" in lab.script(script, "--compatibility-mode", "base").stderr
    assert "undefined false" in lab.script(script, env={"K6_COMPATIBILITY_MODE": "base"}).stderr


def test_deps(lab):
    lab.file("lib.js", "export const x = 1;\n")
    path = lab.file("s.js", "import http from 'k6/http'; import { x } from './lib.js';\nexport default function () {}\n")
    r = lab.gale("deps", "--json", path)
    got = json.loads(r.stdout)
    assert "k6/http" in got["imports"] and got["customBuildRequired"] is False


def test_completions_name_every_command(lab):
    for shell in ("bash", "zsh", "fish"):
        text = lab.gale("completion", shell).stdout
        assert "run" in text and "archive" in text and "summary-mode" in text
    assert lab.gale("completion", "tcsh").code == 104


def test_logs(lab):
    script = "export default function () { console.warn('careful'); }"
    r = lab.script(script, "--log-format", "json")
    line = json.loads([x for x in r.stderr.splitlines() if "careful" in x][0])
    assert line["level"] == "warning" and line["source"] == "console"
    r = lab.script(script, "--log-output", "file=log.txt")
    assert "careful" not in r.stderr and "careful" in (lab.dir / "log.txt").read_text()
    r = lab.script(script, "--console-output", "console.txt")
    assert "careful" not in r.stderr and "careful" in (lab.dir / "console.txt").read_text()


def test_plain_output_has_no_colours(lab):
    r = lab.gale("run", lab.file("s.js", SIMPLE))
    assert r.code == 0 and "\x1b" not in r.text
    assert "running (" in r.stdout and "4 complete" in r.stdout and "scenarios: (100.00%)" in r.stdout


def test_flags_before_the_command(lab):
    path = lab.file("s.js", "export default function () { console.log('hi'); }\n")
    r = lab.gale("--quiet", "--log-format", "json", "run", path)
    assert r.code == 0 and json.loads(r.stderr.splitlines()[0])["msg"] == "hi" and "scenarios:" not in r.stdout
    assert "unknown flag --vus" in lab.gale("--vus", "3", "run", path).stderr
    assert "did you mean 'run'?" in lab.gale("rum", path).stderr
    assert lab.gale("help", "run").stdout == lab.gale("run", "--help").stdout


def test_config_file_settings(lab):
    path = lab.file("s.js", SIMPLE)
    config = lab.file("config.json", '{"out": ["json=from_config.json"], "vus": 1}')
    r = lab.gale("run", "--config", config, path)
    assert r.code == 0 and "output: json (from_config.json)" in r.stdout, r.text
    assert (lab.dir / "from_config.json").stat().st_size > 0
    r = lab.gale("run", "--config", config, "-o", "csv=flag.csv", path, env={"K6_OUT": "json=env.json"})
    assert "output: csv (flag.csv)" in r.stdout
    r = lab.gale("run", "--config", config, path, env={"K6_OUT": "json=env.json,csv=env.csv"})
    assert "output: json (env.json), csv (env.csv)" in r.stdout, r.stdout
    r = lab.gale("run", "--config", "nope.json", path)
    assert r.code == 104 and "nope.json" in r.stderr
    r = lab.gale("run", "--config", lab.file("bad.json", '{"vus": 1,,}'), path)
    assert r.code == 104 and "bad.json:1" in r.stderr, r.text


def test_default_config_is_gales_then_k6s(lab):
    path = lab.file("s.js", "export default function () {}\n")
    env = {"XDG_CONFIG_HOME": str(lab.dir)}
    lab.file("k6/config.json", '{"batch": 3}')
    assert json.loads(lab.gale("inspect", path, env=env).stdout)["batch"] == 3
    lab.file("gale/config.json", '{"batch": 4}')
    assert json.loads(lab.gale("inspect", path, env=env).stdout)["batch"] == 4


def test_feature_merge_run_tags(lab):
    path = lab.file("s.js", "export const options = { tags: { a: '1', b: '1' } };\nexport default function () {}\n")

    def tags(*flags, env=None):
        return json.loads(lab.gale("inspect", "--tag", "b=2", *flags, path, env=env).stdout)["tags"]

    assert tags() == {"b": "2"}
    assert tags("--features", "merge-run-tags") == {"a": "1", "b": "2"}
    assert tags(env={"K6_FEATURES": "native-histograms,merge-run-tags"}) == {"a": "1", "b": "2"}
    r = lab.gale("inspect", "--features", "warp", path)
    assert r.code == 0 and "unknown feature 'warp'" in r.stderr
    config = lab.file("features.json", '{"features": ["merge-run-tags"]}')
    assert tags("--config", config) == {"a": "1", "b": "2"}


def test_feature_freeze_env(lab):
    script = ("let why = 'written'; try { __ENV.A = 'x'; } catch (e) { why = e.name; }\n"
              "export default function () { console.log(`${why} ${__ENV.A} ${Object.isFrozen(__ENV)}`); }")
    assert "written x false" in lab.script(script, "-e", "A=1").stderr
    for flags, env in ((["--features", "freeze-env"], {}), ([], {"K6_FEATURES": "freeze-env"}),
                       (["--config", lab.file("c.json", '{"features": "freeze-env"}')], {})):
        assert "TypeError 1 true" in lab.script(script, "-e", "A=1", *flags, env=env).stderr


def test_features(lab):
    table = lab.gale("features").stdout.splitlines()
    assert table[0].split() == ["FEATURE", "LIFECYCLE", "DESCRIPTION"] and any(x.startswith("freeze-env ") for x in table)
    got = json.loads(lab.gale("features", "--json").stdout)
    assert [x["feature"] for x in got] == [x.split()[0] for x in table[1:]] and all(x["lifecycle"] and x["description"] for x in got)


def test_words_that_flags_take(lab):
    path = lab.file("s.js", SIMPLE)
    for flag, value in (("--type", "python"), ("--compatibility-mode", "es3"), ("--traces-output", "jaeger"),
                        ("--summary-mode", "legacy"), ("--log-output", "printer"), ("--env", "1A=x")):
        r = lab.gale("run", flag, value, path)
        assert r.code == 104 and value in r.stderr, (flag, r.code, r.text)


def test_env_of_scripts(lab):
    path = lab.file("s.js", "console.log(`${__ENV.A} ${__ENV.B} ${__ENV.FROM_OUTSIDE}`);\nexport default function () {}\n")
    r = lab.gale("run", "-q", "-e", "A=1=2", "-e", "B", path, env={"FROM_OUTSIDE": "yes"})
    assert "1=2  yes" in r.stderr, r.stderr
    r = lab.gale("run", "-q", "-e", "A=1", "-e", "B=", "--include-system-env-vars=false", path, env={"FROM_OUTSIDE": "yes"})
    assert "1  undefined" in r.stderr
    r = lab.gale("inspect", path, env={"FROM_OUTSIDE": "yes"})
    assert "undefined undefined undefined" in r.stderr


def test_progress_comes_before_and_after_the_summary(lab):
    r = lab.gale("run", lab.file("s.js", SIMPLE))
    at = [r.stdout.index(x) for x in ("scenarios: (100.00%)", "TOTAL RESULTS", "running (", "4/4 shared iters")]
    assert at == sorted(at), r.stdout


def test_full_disk_under_the_summary(lab):
    path = lab.file("s.js", SIMPLE)
    with open("/dev/full", "w") as full:
        r = lab.gale("run", "-q", path, stdout=full)
    assert r.code == 255 and "No space left" in r.stderr, r.text


def test_completions_are_sound(lab):
    script = lab.gale("completion", "bash").stdout
    import subprocess
    out = subprocess.run(["bash", "-c", script + '\nCOMP_WORDS=(gale run --sum) COMP_CWORD=2; _gale; printf "%s\\n" "${COMPREPLY[@]}"'],
                         capture_output=True, text=True)
    assert out.stderr == "" and "--summary-mode" in out.stdout.split() and "--vus" not in out.stdout, out


def test_inspect_prints_what_k6_prints(lab):
    golden = pathlib.Path(__file__).parent / "golden"
    r = lab.gale("inspect", "--execution-requirements", golden / "sample.js")
    assert r.stdout.strip() == (golden / "inspect.json").read_text().strip(), r.stdout
