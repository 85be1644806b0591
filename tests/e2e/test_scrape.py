"""--scrape: a target that tells of itself, one that does not, and one whose queue grows."""
import time

from lab import ok

SCRIPT = """
import http from 'k6/http';
export const options = { scenarios: { a: { executor: 'constant-arrival-rate', rate: 20,
  duration: __ENV.TIME, preAllocatedVUs: 20 } } };
export default function () { http.get(`${__ENV.URL}/x`); }
"""


def target(lab, slow_from=1e9):
    """After so many seconds it takes 60 ms longer, and its queue says so."""
    began = time.monotonic()

    def talk(conn, data):
        slow = time.monotonic() - began > slow_from
        if b"GET /metrics" in data:
            text = f"# TYPE queue gauge\nqueue{{pool=\"db\"}} {50 if slow else 2}\n# TYPE up gauge\nup 1\n"
            ok(conn, text.encode(), b"Connection: close\r\n")
        else:
            time.sleep(0.06 if slow else 0)
            ok(conn, b"x", b"Connection: close\r\n")

    return lab.server(talk)


def test_what_moved_with_the_latency_is_named(lab):
    t = target(lab, slow_from=13)
    r = lab.script(SCRIPT, "--scrape", f"shop={t.url}/metrics", env={"URL": t.url, "TIME": "25s"})
    assert r.code == 0 and "shop: 2 series" in r.stdout, r.text
    line = next(x for x in r.stdout.splitlines() if 'queue{pool="db"}' in x)
    assert line.strip().startswith(("+0.", "+1.")), r.stdout
    assert "shop: up" not in r.stdout and "need not" in r.stdout, r.stdout


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
