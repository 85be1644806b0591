"""A run from its commands to its exit code: the rarer ways that it may go."""
import json
import tarfile


def test_removed_commands_are_unknown(lab):
    for name in ("login", "pause", "resume", "scale", "status", "convert", "web-dashboard"):
        r = lab.gale(name)
        assert r.code != 0 and f"unknown command '{name}'" in r.stderr, r.text
    for flag in ("--no-summary", "--upload-only"):
        r = lab.gale("run", flag, lab.file("s.js", "export default function () {}"))
        assert r.code == 104 and f"unknown flag {flag}" in r.stderr, r.text


def test_no_arguments_print_help(lab):
    r = lab.gale()
    assert r.code == 0 and "Commands:" in r.stdout and r.stderr == ""


def test_version_flag(lab):
    assert lab.gale("--version").stdout == lab.gale("version").stdout


def test_archive_to_stdout(lab):
    path = lab.file("s.js", "export const options = { iterations: 2 };\nexport default function () { console.log(`WHO=${__ENV.WHO}`); }")
    with open(lab.dir / "out.tar", "w") as out:
        lab.gale("archive", "-e", "WHO=me", "--exclude-env-vars", "-O", "-", path, stdout=out)
    with tarfile.open(lab.dir / "out.tar") as tar:
        meta = json.load(tar.extractfile("metadata.json"))
        assert "data" in tar.getnames() and "me" not in json.dumps(meta.get("env")), meta
    r = lab.gale("run", "-q", "-t", "archive", "-e", "WHO=you", "out.tar")
    assert r.stderr.count("WHO=you") == 2, r.text
    r = lab.gale("archive", path)
    assert r.code == 0 and (lab.dir / "archive.tar").exists()


def test_archive_reads_only_its_own_files(lab):
    lab.file("secret.txt", "x")
    path = lab.file("s.js", "let why = ''; try { if (__ENV.READ) open('./secret.txt'); } catch (e) { why = e.message; }\n"
                    "export default function () { console.log(`why: ${why}`); }")
    assert lab.gale("archive", path).code == 0
    r = lab.gale("run", "-q", "-e", "READ=1", "archive.tar")
    assert "why: " in r.stderr and "secret.txt" in r.stderr, r.text


def test_verbose(lab):
    script = "export default function () { console.debug('a detail'); }"
    assert "a detail" not in lab.script(script).stderr
    assert 'level=debug msg="a detail"' in lab.script(script, "-v").stderr


def test_log_outputs(lab):
    script = "export default function () { console.warn('careful'); }"
    r = lab.script(script, "--log-output", "stdout")
    assert "careful" in r.stdout and "careful" not in r.stderr
    assert "careful" not in lab.script(script, "--log-output", "none").text
    r = lab.script(script, env={"K6_LOG_OUTPUT": "stdout", "K6_LOG_FORMAT": "raw"})
    assert "careful\n" in r.stdout and "level=" not in r.stdout
    r = lab.script("export default function () { console.log('low'); console.error('high'); }", "--log-output", "file=x.log,level=error")
    assert "high" in (lab.dir / "x.log").read_text() and "low" not in (lab.dir / "x.log").read_text()


def test_marked_failed(lab):
    r = lab.script("import exec from 'k6/execution';\nexport const options = { iterations: 3 };\n"
                   "export default function () { if (__ITER === 0) exec.test.fail('no good'); console.log('went on', __ITER); }")
    assert r.code == 110 and "went on 2" in r.stderr and "no good" in r.stderr, r.text


def test_summary_that_takes_too_long(lab):
    r = lab.script("export const options = { handleSummaryTimeout: '300ms' };\nexport default function () {}\n"
                   "export function handleSummary() { for (;;) {} }")
    assert r.code == 102 and "handleSummary() execution timed out" in r.stderr and "TOTAL RESULTS" in r.stdout, r.text
    r = lab.script("export default function () {}\nexport function handleSummary() { for (;;) {} }", env={"K6_HANDLE_SUMMARY_TIMEOUT": "300ms"})
    assert r.code == 102, r.text


def test_summary_that_fails(lab):
    for body in ("throw new Error('oh no');", "return null;", "return 5;"):
        r = lab.script("export default function () {}\nexport function handleSummary() { %s }" % body)
        assert "TOTAL RESULTS" in r.stdout, (body, r.text)
        assert "oh no" in r.stderr or "throw" not in body


def test_exports_that_are_needed(lab):
    r = lab.script("export const options = {};")
    assert r.code in (104, 107) and "export" in r.stderr, r.text
    r = lab.script("export const options = { scenarios: { a: { executor: 'shared-iterations', exec: 'mine' } } };\n"
                   "export function mine() { console.log('no default needed'); }")
    assert r.code == 0 and "no default needed" in r.stderr, r.text


def test_data_of_setup_over_the_wire_of_json(lab):
    r = lab.script("export function setup() {}\nexport default function (data) { console.log(`data is ${data}`); }\n"
                   "export function teardown(data) { console.log(`teardown has ${data}`); }")
    assert "data is undefined" in r.stderr and "teardown has undefined" in r.stderr, r.text


def test_groups_of_setup_and_teardown(lab):
    script = ("import { check } from 'k6';\nexport function setup() { check(1, { early: () => true }); }\n"
              "export function teardown() { check(1, { late: () => true }); }\nexport default function () {}\n")
    assert lab.script(script, "-o", "json=out.json").code == 0
    lines = [json.loads(x) for x in (lab.dir / "out.json").read_text().splitlines()]
    tags = {x["data"]["tags"]["check"]: x["data"]["tags"] for x in lines if x["type"] == "Point" and x["metric"] == "checks"}
    assert tags["early"]["group"] == "::setup" and tags["late"]["group"] == "::teardown", tags


def test_interrupted_iterations(lab):
    r, m = lab.summary("import { sleep } from 'k6';\nimport exec from 'k6/execution';\n"
                       "export const options = { scenarios: { a: { executor: 'constant-vus', vus: 2, duration: '1s', gracefulStop: '100ms' } } };\n"
                       "export default function () { sleep(20); }\n"
                       "export function teardown() { console.log(`interrupted ${exec.instance.iterationsInterrupted}`); }")
    assert r.code == 0 and "interrupted 2" in r.stderr, r.text
    assert m.get("iterations", {"count": 0})["count"] == 0 and "iteration_duration" not in m, m
    r = lab.gale("run", lab.dir / "script.js")
    assert "0 complete and 2 interrupted iterations" in r.stdout, r.stdout


def test_flags_that_do_nothing(lab):
    script = "export default function () {}"
    r = lab.script(script, "--no-usage-report", "--profiling-enabled", "--traces-output", "none")
    assert r.code == 0 and "level=error" not in r.stderr, r.text


def test_source_maps_beside_the_script(lab):
    lab.file("bundle.map", '{"version":3,"sources":["src/app.ts"],"names":[],"mappings":";AAEA"}')
    script = "export default function () {\nthrow new Error('mapped');\n}\n//# sourceMappingURL=%s\n"
    r = lab.script(script % "bundle.map")
    assert "src/app.ts:3:1" in r.stderr and "level=warning" not in r.stderr, r.stderr
    for url in ("none.map", "https://127.0.0.1:1/x.map", "data:application/json;base64,e30="):
        r = lab.script(script % url)
        assert "couldn't read the source map" in r.stderr and "script.js:2:" in r.stderr, r.stderr


def test_objects_for_others_are_kept(lab):
    options = "cloud: { projectID: 7, name: 'mine' }, ext: { other: { a: [1] } }, metricSamplesBufferSize: 5"
    path = lab.file("s.js", f"export const options = {{ {options} }};\nexport default function () {{}}")
    got = json.loads(lab.gale("inspect", path).stdout)
    assert got["cloud"] == {"projectID": 7, "name": "mine"} and got["ext"] == {"other": {"a": [1]}}, got
    assert got["metricSamplesBufferSize"] == 5
    r = lab.gale("run", "-q", path)
    assert r.code == 0 and r.stderr == "", r.stderr


def test_unknown_fields_that_k6_does_not_know_either(lab):
    for field in ("linger: true", "noUsageReport: true", "vusMax: 3", "maxVUs: 3", "tlsAIAFetch: true"):
        r = lab.script(f"export const options = {{ {field} }};\nexport default function () {{}}")
        assert r.code == 0 and f"unknown option '{field.split(':')[0]}'" in r.stderr, r.text


def test_crossed_thresholds_are_said(lab):
    r = lab.script("export const options = { thresholds: { iterations: ['count>5'], iteration_duration: ['max<0', 'max>=0'] } };\nexport default function () {}")
    assert r.code == 99 and "thresholds on metrics 'iteration_duration, iterations' have been crossed" in r.stderr, r.text


def test_directives_are_read_past(lab):
    r = lab.script("'use k6 >= 1.0';\n\"use k6 with k6/x/faker >= 0.4\";\nexport default function () { console.log('ran'); }")
    assert r.code == 0 and "msg=ran" in r.stderr and "level=warning" not in r.stderr, r.text


def test_secret_files(lab):
    lab.file("secrets.txt", "token=hunter2\nother=sword=fish\n")
    script = ("import secrets from 'k6/secrets';\nexport default async function () {\n"
              "  console.log('default', await secrets.get('token'), (await secrets.get('other')).length, await secrets.source('second').get('token'));\n"
              "  await secrets.get('nope').catch((e) => console.log(`no: ${e.message}`)); }")
    r = lab.script(script, "--secret-source=mock=name=second,token=nothing", "--secret-source=file=name=first,default,secrets.txt")
    assert "default ***SECRET_REDACTED*** 10 ***SECRET_REDACTED***" in r.stderr and "no: " in r.stderr, r.stderr
    assert "hunter2" not in r.text
    r = lab.script("import secrets from 'k6/secrets';\nexport default async function () { await secrets.get('token'); }")
    assert "level=error" in r.stderr and "--secret-source" in r.stderr, r.stderr
    assert lab.script("export default function () {}", "--secret-source=file=missing.txt").code != 0
    assert lab.script("export default function () {}", "--secret-source=cloud=x").code == 104


def test_what_an_import_may_name(lab):
    lib = lab.file("lib/x.js", "export const x = import.meta.resolve('./y.txt');\n")
    for name in ("./lib/x.js", "./lib/../lib/x.js", str(lib), f"file://{lib}"):
        r = lab.script(f"import {{ x }} from '{name}';\nexport default function () {{ console.log(x); }}")
        assert f"file://{lib.parent}/y.txt" in r.stderr, (name, r.text)
    for name in ("./lib/x", "./lib", "lib/x.js", "http://127.0.0.1.example/x.js", "ftp://127.0.0.1/x.js"):
        r = lab.script(f"import {{ x }} from '{name}';\nexport default function () {{}}")
        assert r.code == 107 and name in r.stderr, (name, r.text)


def test_secret_source_of_the_environment(lab):
    script = ("import secrets from 'k6/secrets';\nexport default async function () { console.log((await secrets.get('token')).length); }")
    assert "msg=7" in lab.script(script, env={"K6_SECRET_SOURCE": "mock=token=hunter2"}).stderr
