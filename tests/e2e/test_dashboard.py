"""The live page of a run on this machine: gale run --dashboard."""
import http.client
import json
import os
import pathlib
import re
import socket
import time
import urllib.parse

from browser import drive, finish

SCRIPT = """
import http from 'k6/http';
import { check, sleep } from 'k6';
export const options = {
  scenarios: { s: { executor: 'constant-vus', vus: 3, duration: '%s', gracefulStop: '1s' } },
  thresholds: { http_req_failed: ['rate<0.1'], iterations: ['count>0'] },
};
export default function () {
  const name = '<img src=x onerror="wasRun = true">';
  http.get(`${__ENV.BASE}/products`);
  const r = http.get(`${__ENV.BASE}/missing`, { tags: { name: '/missing' } });
  check(r, { [name]: () => true, never: () => false });
  if (__ITER === 0) console.log(name);
  sleep(0.2);
}
"""
SHORT = "export const options = { iterations: 2 }; export default function () {}"
LONG = ("import { sleep } from 'k6'; export const options = { vus: 1, duration: '10m', gracefulStop: '0s' };"
        "export default function () { sleep(0.1); }")


class Shown:
    """A run with its page."""

    def __init__(self, lab, script, *flags, env=None):
        self.proc = lab.start("run", *flags, lab.file("s.js", script), env=env)
        lab.closing.append(lambda: (self.proc.kill(), self.proc.communicate()))
        for line in self.proc.stdout:
            found = re.search(r"web dashboard: (http://\S+)", line)
            if found:
                break
        else:
            raise AssertionError(self.proc.communicate())
        self.url = found[1]
        self.address = urllib.parse.urlsplit(self.url).netloc

    def call(self, path, method="GET", body=None, **headers):
        """Status, headers, and the body as text."""
        connection = http.client.HTTPConnection(self.address, timeout=20)
        connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
        connection.close()
        return answer.status, answer.headers, text

    def get(self, path):
        status, _, text = self.call(path)
        assert status == 200, (path, status, text)
        return json.loads(text)

    def run(self):
        return f"/api/v1/runs/{self.get('/api/v1/runs')['items'][0]['id']}"

    def ended(self):
        out, err = self.proc.communicate(timeout=60)
        return self.proc.returncode, out, err


def test_in_a_browser(lab):
    """Charts move, the run is stopped from the page, and what it measured stays there."""
    shown = Shown(lab, SCRIPT % "10m", "-e", f"BASE={lab.shop()}",
                  env={"K6_WEB_DASHBOARD": "true", "K6_WEB_DASHBOARD_PORT": "0"})
    folder = os.environ.get("GALE_SCREENSHOTS", lab.dir)
    browser = drive(lab, "dashboard.mjs", shown.url, folder)
    said = browser.stdout.readline()
    assert said == "stopped\n", (said, browser.communicate())
    code, out, err = shown.ended()
    assert code == 105 and "seen <b>enough</b>" in err and "checks_total" in out, (code, out, err)
    assert not list(lab.dir.glob("gale-run-*"))
    finish(browser)
    report = (pathlib.Path(folder) / "while-it-runs.html").read_text()
    assert report.startswith("<!doctype html>") and "/missing" in report


def events_of(text):
    return [(name, json.loads(data)) for name, data in re.findall("^event: (.*)\ndata: (.*)$", text, re.M)]


def test_the_stream_of_a_run(lab):
    """Until its end, which says all that was measured; what the process then does is not changed by it."""
    shown = Shown(lab, SCRIPT % "3s", "-e", f"BASE={lab.shop()}", "--dashboard-addr", "localhost:0")
    run = shown.run()
    asleep = socket.create_connection(shown.address.split(":"), timeout=20)
    asleep.sendall(f"GET {run}/live HTTP/1.1\r\nHost: {shown.address}\r\n\r\n".encode())
    status, headers, text = shown.call(f"{run}/live")
    assert status == 200 and headers["Content-Type"] == "text/event-stream"
    code, out, err = shown.ended()
    asleep.close()
    assert code == 99 and "http_reqs" in out, (code, out, err)
    events = events_of(text)
    names = [name for name, _ in events]
    assert names[0] == "snapshot" and names[-2:] == ["export", "end"], names
    assert {"window", "phase", "thresholds", "event", "log"} <= set(names), names
    everything, end = events[-2][1], events[-1][1]
    assert (end["phase"], end["result"], end["exit_code"]) == ("ended", "failed", 99), end
    metrics = {m["name"]: m["overall"] for m in everything["summary"]["metrics"]}
    requests = metrics["http_reqs"]["count"]
    assert everything["run"]["result"] == "failed" and sum(u["count"] for u in everything["urls"]) == requests > 0
    assert {c["name"]: c["passes"] for c in everything["checks"]}["never"] == 0
    assert [t["ok"] for t in everything["thresholds"]] == [False, True]


def test_what_is_answered(lab):
    """The one run, and to pages of this machine alone."""
    shown = Shown(lab, LONG, "--dashboard-addr", "127.0.0.1:0")
    run = shown.run()
    page = run.removeprefix("/api/v1")
    port = shown.address.split(":")[1]
    for path in ("/", "/new", "/compare", "/ui", "/ui/", "/runs/000000000000"):
        status, headers, _ = shown.call(path)
        assert (status, headers["Location"]) == (302, page), path
    status, headers, text = shown.call(page)
    assert status == 200 and "script-src 'self'" in headers["Content-Security-Policy"]
    for part in ("", "/plan", "/summary", "/metrics", "/thresholds", "/events", "/logs", "/checks", "/urls",
                 "/errors", "/agents", "/exemplars", "/export/json"):
        shown.get(run + part)
    assert shown.get("/api/v1/info")["caller"]["role"] == "runner" and shown.call("/healthz")[0] == 200
    for method, path in (("GET", "/api/v1/agents"), ("GET", "/readyz"), ("GET", "/metrics"), ("POST", "/api/v1/runs"),
                         ("DELETE", run), ("POST", "/api/v1/tokens"), ("POST", f"{run}/rerun")):
        status, _, text = shown.call(path, method)
        assert status == 404 and "gale controller" in json.loads(text)["detail"], (method, path, status, text)
    assert shown.call("/api/v1/runs/000000000000/live")[0] == 404 and shown.call("/nowhere")[0] == 404
    assert shown.call(run, "PUT")[0] == 405
    stop = f"{run}/stop"
    for headers in ({"Host": f"evil.example:{port}"}, {"Host": "127.0.0.1.evil.example"},
                    {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec_Fetch_Site": "cross-site"}):
        for method, path in (("GET", run), ("GET", f"{run}/live"), ("POST", stop)):
            assert shown.call(path, method, **headers)[0] == 403, (headers, path)
    assert shown.call(stop, "POST", b"[]")[0] == 400 and shown.call(stop, "POST", b'{"reason": 3}')[0] == 400
    status, _, text = shown.call(stop, "POST", b'{"reason": "enough"}', Origin=shown.url, Host=f"localhost:{port}")
    assert status == 403, "another origin than the host's"
    status, _, text = shown.call(stop, "POST", b'{"reason": "enough"}', Origin=shown.url)
    assert status == 202 and json.loads(text)["stop"]["reason"] == "enough", text
    code, _, err = shown.ended()
    assert code == 105 and "enough" in err, (code, err)


def test_beyond_loopback(lab):
    """By addresses and the machine's name, with a warning; no other name leads there."""
    shown = Shown(lab, LONG, "--dashboard-addr", ":0")
    assert shown.url.startswith("http://127.0.0.1:")
    for host, status in (("192.0.2.1", 200), ("[2001:db8::1]:80", 200), (socket.gethostname(), 200),
                         ("localhost", 200), ("evil.example", 403), ("192.0.2.1.evil.example", 403)):
        assert shown.call("/api/v1/info", Host=host)[0] == status, host
    assert shown.call("/api/v1/info", Host="192.0.2.1", Origin="http://evil.example")[0] == 403
    shown.proc.terminate()
    code, _, err = shown.ended()
    assert code == 105 and "whoever reaches it sees this run" in err, (code, err)


def test_settings(lab):
    """k6's variables and --out web-dashboard."""
    script = lab.file("short.js", SHORT)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = lab.gale("run", script, env={"K6_WEB_DASHBOARD": "true", "K6_WEB_DASHBOARD_PORT": str(port)})
        assert result.code == 106 and "Address already in use" in result.stderr, result.text
        assert "dashboard" in result.stderr and "--dashboard-addr" in result.stderr, result.text
        assert "iterations" not in result.stdout, "nothing ran"
    report = lab.dir / "report.html"
    result = lab.gale("run", script, env={"K6_WEB_DASHBOARD": "true", "K6_WEB_DASHBOARD_PORT": "-1",
                                          "K6_WEB_DASHBOARD_EXPORT": str(report)})
    assert result.code == 0 and "web dashboard" not in result.stdout and report.exists(), result.text
    result = lab.gale("run", "--out", f"web-dashboard=port=0&host=localhost&export={lab.dir}/two.html&record=x.ndjson",
                      script, env={"K6_WEB_DASHBOARD_PORT": "-1"})
    assert result.code == 0 and "web dashboard: http://localhost:" in result.stdout, result.text
    assert (lab.dir / "two.html").exists() and "no effect: record" in result.stderr, result.text
    opened = lab.dir / "opened"
    lab.file("bin/xdg-open", f"#!/bin/sh\necho \"$1\" > {opened}.new && mv {opened}.new {opened}\n").chmod(0o755)
    env = {"K6_WEB_DASHBOARD": "true", "K6_WEB_DASHBOARD_PORT": "0", "K6_WEB_DASHBOARD_OPEN": "true"}
    shown = Shown(lab, LONG, env={**env, "PATH": f"{lab.dir}/bin:{os.environ['PATH']}"})
    shown.call("/healthz")
    end = time.monotonic() + 20
    while not opened.exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert opened.read_text().strip() == shown.url
    shown.proc.terminate()
    assert shown.ended()[0] == 105
    result = lab.gale("run", script, env={**env, "PATH": str(lab.dir)})
    assert result.code == 0 and "no browser could be opened" in result.stderr, result.text
    for setting, value in (("PORT", "70000"), ("PORT", "x"), ("OPEN", "maybe"), ("PERIOD", "soon")):
        result = lab.gale("run", script, env={"K6_WEB_DASHBOARD": "1", f"K6_WEB_DASHBOARD_{setting}": value})
        assert result.code == 104 and f"K6_WEB_DASHBOARD_{setting}" in result.stderr, result.text
    result = lab.gale("run", "--out", "web-dashboard=colour=red", script)
    assert result.code == 104 and "colour" in result.stderr and "host, port" in result.stderr, result.text
    result = lab.gale("run", "--dashboard-addr", "nowhere", script)
    assert result.code == 106 and "host:port" in result.stderr, result.text


def test_lingering(lab):
    """With --linger the page can still ask for everything after the end."""
    shown = Shown(lab, SHORT, "--linger", "--dashboard-addr", "127.0.0.1:0")
    run = shown.run()
    text = shown.call(f"{run}/live")[2]
    assert [name for name, _ in events_of(text)][-1] == "end" and "export" not in text
    assert shown.get(run)["result"] == "passed" and shown.get(f"{run}/summary")["metrics"]
    shown.proc.terminate()
    code, _, err = shown.ended()
    assert code == 0, (code, err)
