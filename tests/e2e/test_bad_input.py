"""What is wrong, sent to a controller while a test runs: a clear answer each, and the test untouched."""
import pathlib
import re
import socket
import urllib.parse

from api_client import Api
from test_api import counted
from test_spread import counted_if_any

STEADY = """
import http from 'k6/http';
export const options = { scenarios: { s: { executor: 'constant-arrival-rate', rate: 20,
  duration: '12s', preAllocatedVUs: 10, maxVUs: 30, gracefulStop: '5s' } } };
export default function () {
    http.get(`${__ENV.BASE}/products`, { tags: { name: '<b onclick=alert(1)>' } });
    if (__ITER === 0) console.log('<script>alert(1)</script>');
}
"""
EVIL = "<script>alert(1)</script>"
MEGABYTE = b" " * (1 << 20)


def memory(fleet):
    """The most that the controller has had, in MB."""
    text = pathlib.Path(f"/proc/{fleet.controller.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", text).group(1)) / 1024


def upload(fleet, api, total):
    """Sends a script of so many MB, of unknown length, until it is answered: (status, text, MB that were sent)."""
    parts = urllib.parse.urlsplit(fleet.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as conn:
        conn.sendall(b"POST /api/v1/runs?filename=a.js HTTP/1.1\r\nHost: localhost\r\n"
                     b"Content-Type: text/javascript\r\nTransfer-Encoding: chunked\r\n"
                     b"Authorization: Bearer %s\r\n\r\n" % api.token.encode())
        sent = 0
        try:
            while sent < total:
                conn.sendall(b"100000\r\n" + MEGABYTE + b"\r\n")
                sent += 1
        except OSError:
            pass  # it has been answered
        try:
            text = conn.recv(65536)
        except OSError:
            text = b""
        return (int(text.split()[1]) if text else None), text, sent


def large_uploads(fleet, api):
    before = memory(fleet)
    for _ in range(2):
        status, text, sent = upload(fleet, api, 1024)
        assert status in (413, None) and sent < 512, (status, text, sent)
    assert memory(fleet) < before + 200, (before, memory(fleet))
    assert api.get("/api/v1/runs").status == 200


def scripts(api):
    bad = b"import http from 'k6/http';\n\nexport default function ( { http.get('x'); }\n"
    answer = api.post("/api/v1/runs?filename=a.js", bad, headers={"Content-Type": "text/javascript"})
    script = answer.json["script"]
    assert (answer.status, script["file"], script["line"]) == (422, "a.js", 3) and script["column"] > 0, answer
    for name in ("../a.js", "..%2Fa.js", "a%00.js", "/etc/passwd", "a%0d%0ab.js"):
        answer = api.post(f"/api/v1/runs?filename={name}", b"export default function () {}\n",
                          headers={"Content-Type": "text/javascript"})
        assert answer.status in (400, 404), (name, answer)


def shares(api, test):
    for regions, status, words in (
            ([{"region": "us", "share": 60}, {"region": "eu", "share": 50}], 400, "110"),
            ([{"region": "us", "share": 50}, {"region": "atlantis", "share": 50}], 422, "atlantis has no agents"),
            ([{"region": "mars", "share": 100}], 422, "mars has no agents"),
            ([{"region": "us", "share": 100}], 422, "none idle")):
        answer = api.post("/api/v1/runs", {"test": test, "regions": regions})
        assert answer.status == status and words in answer.json["detail"], (regions, answer)


def names(fleet, api):
    """HTML and paths in all that has a name: kept as it is, and never more than text."""
    made = api.post("/api/v1/tests", {"name": EVIL, "description": EVIL, "labels": {EVIL: EVIL}, "filename": f"{'x' * 50}.js",
                                      "script": "export const options = { vus: 1, iterations: 1 };\n"
                                                "export default function () {}\n"}).json
    assert made["name"] == EVIL and made["labels"] == {EVIL: EVIL}, made
    assert api.call("PUT", "/api/v1/regions/mars", {"title": EVIL}).json["title"] == EVIL
    for path in (f"/api/v1/tests/{made['id']}", "/api/v1/tests", "/api/v1/regions", "/"):
        answer = api.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe-inline" not in re.sub("style-src[^;]*", "", policy), policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff", path
    return made["id"]


def strangers(fleet):
    for token in ("stolen", "gale_" + "x" * 43, "../..", "a b", "\u00e9".encode().decode("latin-1")):
        answer = Api(fleet.url, token).get("/api/v1/runs")
        assert answer.status == 401 and "WWW-Authenticate" in answer.headers, (token, answer)


def ended_well(fleet, api, run):
    ended = fleet.wait("the end", lambda: api.get(f"/api/v1/runs/{run}").json["phase"] == "ended"
                       and api.get(f"/api/v1/runs/{run}").json, 60)
    assert (ended["result"], ended["windows"]["lost"]) == ("passed", 0), ended
    api.call("PATCH", f"/api/v1/runs/{run}", {"name": f"../../{EVIL}\"\r\n", "notes": EVIL})
    for form in ("html", "csv", "json", "junit"):
        answer = api.get(f"/api/v1/runs/{run}/export/{form}")
        name = answer.headers["Content-Disposition"]
        assert answer.status == 200 and re.fullmatch(r'attachment; filename="[A-Za-z0-9_.-]+"', name), name
        if form in ("html", "junit"):
            assert EVIL.encode() not in answer.body and b"<b onclick" not in answer.body, form


def test_bad_input_leaves_the_running_test_alone(lab):
    base = lab.shop()
    fleet = lab.fleet("--token", "chosen")
    fleet.agent("us", "us-1")
    fleet.agent("eu", "eu-1")
    api = Api(fleet.url, "chosen")
    fleet.wait("agents", lambda: len(api.get("/api/v1/agents").json["items"]) == 2)
    fleet.get = lambda path: api.get(path).json
    proc = lab.start("run", "--fleet", fleet.url, "--token", "chosen", "--regions", "us,eu", "--quiet", "-e",
                     f"BASE={base}", lab.file("steady.js", STEADY))
    lab.closing.append(lambda: (proc.kill(), proc.communicate()))
    run = fleet.wait_phase("running")
    shares(api, names(fleet, api))
    scripts(api)
    strangers(fleet)
    large_uploads(fleet, api)
    ended_well(fleet, api, run)
    assert counted(fleet, run, "iterations") + counted_if_any(fleet, run, "dropped_iterations") == 241
    assert proc.wait(30) == 0, proc.stderr.read()
