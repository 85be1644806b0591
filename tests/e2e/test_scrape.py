"""--scrape: a target that tells of itself, one that does not, and one whose slow path is switched on."""
import threading
import urllib.request

from lab import ok

SCRIPT = """
import http from 'k6/http';
export const options = { scenarios: { a: { executor: 'constant-arrival-rate', rate: 20,
  duration: __ENV.TIME, preAllocatedVUs: 20 } } };
export default function () { http.get(`${__ENV.URL}/products`, { headers: { baggage: 'region=eu' } }); }
"""


def target(lab):
    """Its metrics say nothing of what it does."""
    def talk(conn, data):
        ok(conn, b"# TYPE up gauge\nup 1\n" if b"GET /metrics" in data else b"x", b"Connection: close\r\n")

    return lab.server(talk)


def switch(url, ms):
    body = b'{"region": "eu", "ms": %d}' % ms
    urllib.request.urlopen(urllib.request.Request(f"{url}/slow", body), timeout=10).close()


def test_what_moved_with_the_latency_is_named(lab):
    """The shop's slow path goes on in mid-run: its series come out, the steady ones do not."""
    url = lab.shop()
    later = threading.Timer(13, switch, (url, 60))
    later.start()
    r = lab.script(SCRIPT, "--scrape", f"shop={url}/metrics", env={"URL": url, "TIME": "25s"})
    later.join()
    assert r.code == 0, r.text
    line = next(x for x in r.stdout.splitlines() if 'shop_catalogue_fallbacks_total{replica="eu"}' in x)
    assert line.strip().startswith(("+0.", "+1.")), r.stdout
    assert "shop_requests_total" not in r.stdout and "need not" in r.stdout, r.stdout


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
