"""What is too much, too often or sent twice, and paths that lead elsewhere."""
import concurrent.futures
import pathlib
import re
import resource
import signal
import socket
import urllib.parse

from api_client import Api
from test_access import end, start

LONG = """
import http from 'k6/http';
import { sleep } from 'k6';
export const options = { vus: 1, duration: '60s' };
export default function () { http.get(`${__ENV.BASE}/products`); sleep(0.05); }
"""


def raw(url, text):
    """Sends it as it is and gives all that comes back, until the end or a second of silence."""
    parts = urllib.parse.urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as conn:
        conn.sendall(text if isinstance(text, bytes) else text.encode())
        got = b""
        while b"\r\n\r\n" not in got:
            part = conn.recv(65536)
            if not part:
                break
            got += part
        return int(got.split()[1]), got


def head(method, path, *headers):
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n" + "".join(
        f"{h}\r\n" for h in headers) + "\r\n"


def check_bodies(fleet, api):
    """A length that is said is refused before anything is read."""
    auth = f"Authorization: Bearer {api.token}"
    upload = head("POST", "/api/v1/runs", auth, f"Content-Length: {1 << 30}")
    status, got = raw(fleet.url, upload)
    assert status == 413 and b"/problems/too-large" in got, got
    assert raw(fleet.url, head("POST", "/api/v1/runs", f"Content-Length: {1 << 30}"))[0] == 401
    assert raw(fleet.url, head("POST", "/api/v1/runs", auth, f"Content-Length: {1 << 30}",
                               "Expect: 100-continue"))[0] == 413
    assert raw(fleet.url, head("POST", "/api/v1/tokens", auth, "Content-Length: 1048577"))[0] == 413
    chunk = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
    chunked = head("POST", "/api/v1/tokens", auth, "Transfer-Encoding: chunked").encode()
    assert raw(fleet.url, chunked + 3 * chunk + b"0\r\n\r\n")[0] == 413


def check_paths(fleet, api):
    auth = f"Authorization: Bearer {api.token}"
    assert raw(fleet.url, head("GET", "/api/v1/runs?q=" + "x" * 8192, auth))[0] == 414
    assert raw(fleet.url, head("GET", "/api/v1/runs?q=" + "x" * 200_000, auth))[0] == 414
    for path in ("/../../../etc/passwd", "/assets/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd",
                 "/api/v1/runs/..%2f..%2fetc%2fpasswd", "/api/v1/runs/%2e%2e", "/api/v1/runs/a%00b/x",
                 "/api/v1/runs/%3Cscript%3E", "/api/v1/runs/%ff%fe", "/api/v1/tests/..%5c..%5cx",
                 "/api/v1//runs", "/api/v1/runs/", "/api/v2/runs", "/assets/", "//evil.example/"):
        status, got = raw(fleet.url, head("GET", path, auth))
        assert status == 404 and b"root:" not in got and b"<script>" not in got, (path, got)
    answer = api.call("PATCH", "/api/v1/agents")
    assert answer.status == 405 and answer.headers["Allow"] == "GET", answer


def test_bodies_and_paths(lab):
    fleet = lab.fleet("--token", "chosen")
    api = Api(fleet.url, "chosen")
    check_bodies(fleet, api)
    check_paths(fleet, api)
    for text in ("GARBAGE\r\n\r\n", "GET\r\n\r\n", "\x16\x03\x01\x02\x00\x01\r\n\r\n"):
        try:
            raw(fleet.url, text)
        except (OSError, IndexError, ValueError):
            pass  # closed without an answer is one, too
    assert api.get("/api/v1/runs").status == 200


def test_the_same_again(lab):
    """By an Idempotency-Key; over a restart too."""
    fleet = lab.fleet("--token", "chosen")
    api = Api(fleet.url, "chosen")
    key = {"Idempotency-Key": "one"}
    body = {"name": "ci", "role": "runner"}
    first = api.post("/api/v1/tokens", body, headers=key)
    again = api.post("/api/v1/tokens", body, headers=key)
    assert first.status == again.status == 201 and "Idempotent-Replay" not in first.headers
    assert again.headers["Idempotent-Replay"] == "true"
    assert again.json == {**first.json, "token": None} and first.json["token"]
    other = api.post("/api/v1/tokens", {**body, "name": "x"}, headers=key)
    assert other.status == 422 and other.json["type"] == "/problems/idempotency-mismatch", other
    for bad in ("", "x" * 129):
        answer = api.post("/api/v1/tokens", body, headers={"Idempotency-Key": bad})
        assert answer.status == 400, (bad, answer)
    wrong = [api.post("/api/v1/tokens", {}, headers={"Idempotency-Key": "wrong"}) for _ in "ab"]
    assert [a.status for a in wrong] == [400, 400] and wrong[0].json == wrong[1].json
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        many = list(pool.map(lambda _: api.post("/api/v1/tokens", body, headers={
            "Idempotency-Key": "many"}), range(16)))
    made = {a.json["id"] for a in many if a.status == 201}
    assert len(made) == 1 and {a.status for a in many} <= {201, 409}, many
    assert sum(t["name"] == "ci" for t in api.get("/api/v1/tokens").json["items"]) == 2
    end(fleet)
    start(fleet)
    api = Api(fleet.url, "chosen")
    assert api.post("/api/v1/tokens", body, headers=key).json["id"] == first.json["id"]
    mine = Api(fleet.url, first.json["token"])  # another token's keys are others
    assert mine.post("/api/v1/runs", b"x", headers=key).status == 422


def test_a_thousand_streams(lab):
    """1,024 are served, the others told so at once, readers that read nothing are sent away, and the run
    goes on as if nobody looked."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    base = lab.shop()
    fleet = lab.fleet().with_regions(us=1)
    proc = fleet.start(lab.file("long.js", LONG), "-e", f"BASE={base}", "--regions", "us", "--quiet")
    run = fleet.wait_phase("running")
    parts = urllib.parse.urlsplit(fleet.url)
    tokens = [Api(fleet.url).post("/api/v1/tokens", {"name": f"t{i}", "role": "viewer"}).json[
        "token"] for i in range(11)]  # each has its own limit of requests
    streams = []
    try:
        for i in range(1100):
            conn = socket.create_connection((parts.hostname, parts.port), timeout=30)
            conn.sendall(head("GET", f"/api/v1/runs/{run}/live",
                              f"Authorization: Bearer {tokens[i % 11]}").encode())
            streams.append(conn)
        heads = [conn.recv(64) for conn in streams]
        memory = pathlib.Path(f"/proc/{fleet.controller.pid}/status").read_text()
    finally:
        for conn in streams:
            conn.close()
    served = sum(h.startswith(b"HTTP/1.1 200") for h in heads)
    refused = sum(h.startswith(b"HTTP/1.1 503") for h in heads)
    # `gale run` follows it as well.
    assert (served, refused) == (1023, 77), (served, refused)
    assert int(re.search(r"VmHWM:\s+(\d+)", memory).group(1)) < 400_000, memory
    fleet.wait("room for one more", lambda: raw(
        fleet.url, head("GET", f"/api/v1/runs/{run}/live"))[0] == 200)
    proc.send_signal(signal.SIGINT)
    proc.communicate(timeout=60)
    ended = fleet.get(f"/api/v1/runs/{run}")
    assert ended["phase"] == "ended" and ended["windows"]["lost"] == 0, ended
