"""Runs: counts on both sides, options that are wrong, signals, files."""
import json
import os
import signal
import time

from lab import ok


def test_counts_agree_with_the_target(lab):
    base = lab.shop()
    r, m = lab.summary("""
import http from 'k6/http'; import { check } from 'k6';
export const options = { vus: 8, iterations: 400 };
export default function () { check(http.get(`${__ENV.BASE}/products/7`), { ok: (r) => r.json('id') === 7 }); }
""", "-e", f"BASE={base}")
    assert r.code == 0, r.text
    assert m["http_reqs"]["count"] == 400 and m["iterations"]["count"] == 400
    assert m["checks"]["passes"] == 400 and m["http_req_failed"]["value"] == 0
    seen, _ = lab.summary(f"import http from 'k6/http';\nexport default function () {{ console.log(http.get('{base}/counts').body); }}")
    assert '\\"product\\":400' in seen.stderr, seen.stderr


def test_keep_alive_is_one_connection_per_vu(lab):
    def talk(conn, _):
        while True:
            ok(conn)
            if not conn.recv(65536):
                return
    server = lab.server(talk)
    lab.script(f"import http from 'k6/http';\nexport const options = {{ vus: 3, iterations: 30 }};\n"
               f"export default function () {{ http.get('{server.url}/'); }}")
    assert server.connections == 3, server.connections


def test_wrong_options_name_the_place(lab):
    cases = {
        "vus: 'many'": "option vus",
        "duration: 'soon'": "option duration",
        "scenarios: { a: { executor: 'fast' } }": "scenario 'a'",
        "scenarios: { a: { executor: 'constant-vus', duration: '1s', speed: 3 } }": "speed",
        "scenarios: { a: { executor: 'constant-vus' } }": "duration",
        "scenarios: { 'a b': { executor: 'shared-iterations' } }": "a b",
        "scenarios: { a: { executor: 'externally-controlled' } }": "removed",
        "scenarios: { a: { executor: 'shared-iterations', exec: 'nope' } }": "nope",
        "iterations: 1, stages: [{ duration: '1s', target: 1 }]": "stages",
        "thresholds: { no_such_metric: ['count>1'] }": "no_such_metric",
        "thresholds: { http_reqs: ['p(95)<1'] }": "count, rate",
        "thresholds: { http_req_duration: ['p(95)<'] }": "malformed",
        "thresholds: { 'http_reqs{': ['count>1'] }": "http_reqs{",
        "summaryTrendStats: ['mode']": "mode",
        "executionSegment: '2:3'": "executionSegment",
        "tlsVersion: 'tls9'": "tlsVersion",
        "dns: { select: 'worst' }": "dns",
        "setupTimeout: 0": "more than 0",
        "teardownTimeout: '0s'": "more than 0",
        "hosts: { 'shop.test': 'nowhere' }": "shop.test",
        "blacklistIPs: ['10.0.0.0/40']": "10.0.0.0/40",
        "tlsCipherSuites: ['ROT13']": "ROT13",
    }
    for options, expected in cases.items():
        r = lab.script(f"export const options = {{ {options} }};\nexport default function () {{}}")
        assert r.code == 104 and expected in r.stderr, (options, r.code, r.text)


def test_unknown_options_are_warnings(lab):
    r = lab.script("export const options = { vusMax: 3, speed: 1 };\nexport default function () {}")
    assert r.code == 0 and "unknown option 'speed'" in r.stderr


def test_short_thresholds(lab):
    r = lab.script("""
import { Rate, Trend } from 'k6/metrics'; const r = new Rate('errs'), t = new Trend('took', true);
export const options = { thresholds: { errs: '2%', took: '500ms' } };
export default function () { for (let i = 0; i < 100; i++) { r.add(i === 0); t.add(10); } }""")
    assert r.code == 0 and "'rate<0.02'" in r.stdout and "'p(95)<500'" in r.stdout, r.text


def test_sliding_window_threshold(lab):
    r = lab.script("""
import { Trend } from 'k6/metrics'; import { sleep } from 'k6'; const t = new Trend('took', true);
export const options = { vus: 1, duration: '30s', thresholds: { took: [{ threshold: 'p(95)<100', window: '2s', for: '1s', abortOnFail: true }] } };
const start = Date.now();
export default function () { t.add(Date.now() - start > 3000 ? 500 : 1); sleep(0.05); }""", timeout=40)
    assert r.code == 99, r.text


def test_segments_add_up(lab):
    script = """
export const options = { scenarios: {
  s: { executor: 'shared-iterations', vus: 5, iterations: 17 }, p: { executor: 'per-vu-iterations', vus: 7, iterations: 3, exec: 'p' },
  a: { executor: 'constant-arrival-rate', rate: 11, timeUnit: '1s', duration: '3s', preAllocatedVUs: 3, exec: 'a' } } };
export default function () {} export function p() {} export function a() {}"""
    got = []
    for segment in ("0:1/3", "1/3:2/3", "2/3:1"):
        path = lab.dir / f"{segment.replace('/', '_')}.json"
        r = lab.script(script + f"\nexport function handleSummary(d) {{ return {{ '{path}': JSON.stringify(d.metrics) }}; }}",
                       "--execution-segment", segment, "--execution-segment-sequence", "0,1/3,2/3,1",
                       "-o", f"json={path}.log")
        assert r.code == 0, r.text
        counts = {"s": 0, "p": 0, "a": 0}
        for line in (lab.dir / f"{path}.log").read_text().splitlines():
            point = json.loads(line)
            if point["metric"] == "iterations" and point["type"] == "Point":
                counts[point["data"]["tags"]["scenario"]] += 1
        got.append(counts)
    assert [c["s"] for c in got] == [7, 7, 3], got
    assert [c["p"] for c in got] == [9, 6, 6], got
    assert [c["a"] for c in got] == [12, 11, 11], got


def test_one_interrupt_is_graceful(lab):
    path = lab.file("s.js", "import { sleep } from 'k6';\nexport const options = { vus: 2, duration: '60s' };\n"
                    "export default function () { sleep(0.1); }\nexport function teardown() { console.log('tidy'); }\n")
    proc = lab.start("run", "--quiet", path)
    lab.interrupt(proc, 1.5)
    out, err = proc.communicate(timeout=20)
    assert proc.returncode == 105 and "tidy" in err and "iterations" in out, (proc.returncode, out, err)


def test_two_interrupts_end_at_once(lab):
    path = lab.file("s.js", "import { sleep } from 'k6';\nexport const options = { vus: 2, duration: '60s' };\n"
                    "export default function () { sleep(0.1); }\nexport function teardown() { sleep(30); }\n")
    proc = lab.start("run", "--quiet", path)
    lab.interrupt(proc, 1.5)
    lab.interrupt(proc, 0.7)
    started = time.monotonic()
    proc.communicate(timeout=10)
    assert proc.returncode == 105 and time.monotonic() - started < 5


def test_a_busy_script_hangs_nobody(lab):
    r, m = lab.summary("""
import { sleep } from 'k6'; import exec from 'k6/execution';
export const options = { scenarios: { busy: { executor: 'constant-vus', vus: 1, duration: '2s', gracefulStop: '1s', exec: 'busy' },
  idle: { executor: 'constant-vus', vus: 2, duration: '2s' } } };
export function busy() { while (true) {} }
export default function () { sleep(0.1); }""")
    assert r.code == 0, r.text
    assert m["iterations"]["count"] >= 30, m["iterations"]


def test_memory_limit_fails_the_iteration(lab):
    r, m = lab.summary("""
import { Counter } from 'k6/metrics'; const after = new Counter('after');
export const options = { vus: 1, iterations: 2 };
export default function () { if (__ITER === 0) { const a = []; for (;;) a.push(new Array(1000).fill(1)); } after.add(1); }""",
        "--vu-memory-limit", "64MB")
    assert r.code == 0 and m["after"]["count"] == 1 and "memory" in r.stderr, r.text


def test_disk_full_is_said(lab):
    r = lab.script("export default function () {}", "--summary-export", "/dev/full")
    assert r.code != 0 and "/dev/full" in r.stderr and "space" in r.stderr.lower(), r.text
    r = lab.script("export default function () {}\nexport function handleSummary() { return { '/no/such/dir/x': 'y' }; }")
    assert r.code != 0 and "/no/such/dir/x" in r.stderr


def test_outputs(lab):
    script = """
import { check, group } from 'k6'; import { Trend } from 'k6/metrics'; const t = new Trend('my_trend', true);
export const options = { vus: 1, iterations: 3, tags: { team: 'x' } };
export default function () { group('g', () => check(1, { good: () => true })); t.add(1.5, { k: 'a,b' }); }"""
    r = lab.script(script, "-o", "json=out.json.gz", "-o", "csv=out.csv")
    assert r.code == 0, r.text
    import gzip
    lines = [json.loads(x) for x in gzip.open(lab.dir / "out.json.gz", "rt")]
    points = [x for x in lines if x["type"] == "Point" and x["metric"] == "my_trend"]
    assert len(points) == 3 and points[0]["data"]["value"] == 1.5
    assert points[0]["data"]["tags"] == {"group": "", "k": "a,b", "scenario": "default", "team": "x"}, points[0]
    assert lines[[x["metric"] for x in lines].index("my_trend")]["type"] == "Metric"
    import csv
    rows = list(csv.DictReader(open(lab.dir / "out.csv", newline="")))
    mine = [x for x in rows if x["metric_name"] == "my_trend"]
    assert len(mine) == 3 and mine[0]["extra_tags"] == "k=a,b&team=x" and mine[0]["scenario"] == "default"


def test_unknown_output(lab):
    r = lab.script("export default function () {}", "-o", "carrier-pigeon")
    assert r.code == 104 and "json" in r.stderr


def test_rps_limits_requests(lab):
    base = lab.shop()
    r, m = lab.summary(f"import http from 'k6/http';\nexport const options = {{ vus: 5, duration: '2s', rps: 20 }};\n"
                       f"export default function () {{ http.get('{base}/'); }}")
    assert 30 <= m["http_reqs"]["count"] <= 46, m["http_reqs"]


def test_min_iteration_duration(lab):
    _, m = lab.summary("export const options = { vus: 1, duration: '2s', minIterationDuration: '200ms' };\nexport default function () {}")
    assert 9 <= m["iterations"]["count"] <= 11 and m["iteration_duration"]["max"] < 100


def test_summary_modes(lab):
    script = "export default function () {}"
    assert "http_req_blocked" not in lab.script(script).stdout
    assert lab.script(script, "--summary-mode", "disabled").stdout.strip() == ""
    assert "SCENARIO: default" in lab.script(script, "--summary-mode", "full").stdout
    assert lab.script(script, "--summary-mode", "loud").code == 104


def test_machine_readable_summary(lab):
    path = lab.dir / "s.json"
    lab.script("export default function () {}", "--summary-export", path, "--new-machine-readable-summary")
    got = json.loads(path.read_text())
    assert got["version"] == "1.0.0" and got["config"]["execution"] == "local"


def test_sigterm_is_an_interrupt(lab):
    path = lab.file("s.js", "import { sleep } from 'k6';\nexport const options = { vus: 1, duration: '60s' };\nexport default function () { sleep(0.1); }\n")
    proc = lab.start("run", "--quiet", path)
    time.sleep(1.2)
    os.kill(proc.pid, signal.SIGTERM)
    proc.communicate(timeout=20)
    assert proc.returncode == 105
