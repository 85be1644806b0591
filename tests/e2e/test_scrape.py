"""--scrape: a target that tells of itself, one that does not, and one whose slow path is switched on."""
import json
import re
import time
import urllib.request

from lab import ok
from test_report import opened

WAITS = True

SCRIPT = """
import http from 'k6/http';
export const options = { scenarios: { a: { executor: 'constant-arrival-rate', rate: 20,
  duration: __ENV.TIME, preAllocatedVUs: 20 } } };
export default function () { http.get(`${__ENV.URL}/products`, { headers: { baggage: `region=${__ENV.K6_CLOUDRUN_LOAD_ZONE || 'eu'}` } }); }
"""


def target(lab):
    """Its metrics say nothing of what it does."""
    def talk(conn, data):
        ok(conn, b"# TYPE up gauge\nup 1\n" if b"GET /metrics" in data else b"x", b"Connection: close\r\n")

    return lab.server(talk)


def switch(url, ms):
    body = b'{"region": "eu", "ms": %d}' % ms
    urllib.request.urlopen(urllib.request.Request(f"{url}/slow", body), timeout=10).close()


FALLBACKS = 'shop_catalogue_fallbacks_total{replica="eu"}'


def moved(text):
    """The coefficients of the table of what moved with the latency, by series."""
    return {name: float(r) for r, name in re.findall(r"([+-]\d\.\d\d)  (?:at once|.* s (?:before|after)) .*: (\S+)\n", text)}


def test_what_moved_with_the_latency_is_named(lab):
    """The shop's slow path goes on in mid-run, for one region: its series come out, the steady ones do not. In
    what a run on this machine says and a fleet's, in their reports, and what is stored of a fleet's."""
    url = lab.shop()
    script = lab.file("s.js", SCRIPT)
    fleet = lab.fleet().with_regions(us=1, eu=1)
    env = {"URL": url, "TIME": "25s"}
    args = ["--quiet", "--scrape", f"shop={url}/metrics"]
    far = fleet.start(script, "-e", f"URL={url}", "-e", "TIME=25s", "--regions", "us,eu", *args, "--report", "fleet.html",
                      "--trace-propagation", "w3c", "--summary-exemplars")
    here = lab.start("run", *args, "--report", "here.html", script, env=env)
    fleet.wait_phase("running")
    time.sleep(13)
    switch(url, 300)  # far above what a busy machine does to latencies
    for proc in (far, here):
        out, err = proc.communicate(timeout=60)
        assert proc.returncode == 0, err
        found = moved(out)
        steady = [abs(r) for name, r in found.items() if "shop_requests_total" in name]  # but for a busy machine
        assert found.get(FALLBACKS, 0) > max([0.3, *steady]), out
        assert "need not" in out, out
        if proc is far:
            slowest = out.split("slowest requests")[1].splitlines()[1]
            assert "/products " in slowest and slowest.endswith(" eu"), out
    run = fleet.run_id()
    stored = fleet.get(f"/api/v1/runs/{run}/export/json")["series"]["target"]
    grown = [x or 0 for x in stored[f"scrape:shop/{FALLBACKS}"]]
    assert max(grown[:10]) == 0 < max(grown[16:]), grown
    assert json.dumps(f"scrape:shop/{FALLBACKS}").replace("<", "\\u003c") in (lab.dir / "here.html").read_text()
    (shown,) = opened(lab, lab.dir / "fleet.html")
    rows = {line.split("\t")[2]: line.split("\t") for line in shown["text"].splitlines() if "\tshop\t" in line}
    assert rows[FALLBACKS][-1] == "yes", (rows, shown["text"])


def test_short_runs_and_targets_that_tell_nothing(lab):
    t = target(lab)
    r = lab.script(SCRIPT, "--scrape", f"a={t.url}/metrics", "--scrape", "b=http://127.0.0.1:1/m",
                   "--scrape", f"c={t.url}/page", env={"URL": t.url, "TIME": "2s"})
    assert r.code == 0 and "nothing can be said of a run of" in r.stdout, r.text
    assert r.stderr.count("scrape b: ") == 1 and "connection refused" in r.stderr, r.stderr
    assert r.stderr.count("scrape c: neither Prometheus text nor OpenMetrics, in line 1") == 1, r.stderr
    assert "b: 0 series, read 0 times" in r.stdout, r.stdout


def test_what_is_no_target_is_refused(lab):
    for value in ("http://127.0.0.1/metrics", "a=ftp://x/", "=http://x/", "a=http://[::"):
        r = lab.script(SCRIPT, "--scrape", value, env={"URL": "http://127.0.0.1:1", "TIME": "1s"})
        assert r.code == 104 and "--scrape" in r.stderr, (value, r.text)


def test_targets_that_misbehave(lab):
    """One dies, one hangs, one answers without end, one begins anew: each is said once, the run is as ever."""
    times = []

    def reset(conn, _):
        times.append(time.monotonic())
        if len(times) == 3:  # not there for once
            return
        served = 10 * (len(times) if len(times) < 3 else len(times) - 3)
        ok(conn, b"# TYPE served counter\nserved_total %d\n# EOF\n" % served, b"Connection: close\r\n")

    def hang(conn, _):
        conn.recv(1)

    def endless(conn, _):
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
        while True:
            conn.sendall(b"some_total 1\n" * 10000)

    def garbage(conn, _):
        ok(conn, bytes(range(256)) * 64, b"Connection: close\r\n")

    def half(conn, _):
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nup 1\n")

    def error(conn, _):
        conn.sendall(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")

    targets = {f.__name__: lab.server(f) for f in (reset, hang, endless, garbage, half, error)}
    flags = [x for name, t in targets.items() for x in ("--scrape", f"{name}={t.url}/metrics")]
    start = time.monotonic()
    r, m = lab.summary("""
        import { Counter } from 'k6/metrics';
        const done = new Counter('done');
        export const options = { scenarios: { a: { executor: 'constant-arrival-rate', rate: 50, duration: '8s', preAllocatedVUs: 50 } } };
        export default function () { done.add(1); }""", *flags)
    assert r.code == 0 and m["done"]["count"] + m.get("dropped_iterations", {}).get("count", 0) == 401, r.text
    assert time.monotonic() - start < 30
    for name, said in (("reset", "EOF"), ("hang", "timeout"), ("endless", "8 MB"), ("garbage", "in line 1"), ("half", "EOF"),
                       ("error", "500 No")):
        (line,) = [x for x in r.stderr.splitlines() if f"scrape {name}: " in x]
        assert said in line, (name, line)
    assert "reset: 1 series, read " in r.stdout and "endless: 0 series, read 0 times" in r.stdout, r.stdout
