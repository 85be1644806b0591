"""Who may do what at the controller: every operation with every kind of caller."""
import hashlib
import re
import signal
import sqlite3
import time

from api_client import Api, contract, operations

RANKS = {"none": 0, "viewer": 1, "runner": 2, "admin": 3}
SECOND = 1_000_000_000
RUN = "01hs4m8vz6d1"
ROUTED = re.compile(r'^ROUTE\(\w+, "[^"]+", (\w+),', re.M)


def routed():
    """Operations that have a route; tools/check-openapi.py holds it to the contract."""
    from api_client import ROOT
    return set(ROUTED.findall((ROOT / "src/api/routes.def").read_text()))


def add_token(fleet, number, role, run=None, expires=None):
    """Into the store of a controller that does not run: as it keeps them, by their hashes."""
    text = f"gale_{role}_{number}"
    with sqlite3.connect(fleet.data / "gale.db") as db:
        db.execute("INSERT INTO tokens (id, name, role, run, hash, created, created_by, expires) "
                   "VALUES (?, ?, ?, ?, ?, ?, 'test', ?)",
                   (f"00000000000{number}", f"{role}-{number}", role, run,
                    hashlib.sha256(text.encode()).digest(), time.time_ns(), expires))
    db.close()
    return text


def end(fleet):
    fleet.controller.send_signal(signal.SIGTERM)
    assert fleet.controller.wait(20) == 0, fleet.log("controller")


def start(fleet):
    """Again, on another port."""
    log = fleet.lab.dir / "controller.log"
    log.write_text("")
    fleet.start_controller()
    fleet.url = fleet.find(r"API and dashboard on (https?://[^ \"]+)")


def fill(path):
    """A path with ids that name nothing."""
    return (path.replace("{run}", RUN).replace("{version}", "1").replace("{format}", "json")
            .replace("{region}", "nowhere").replace("{agent}", "nobody")
            .replace("{test}", "01hs4k2mb3w0").replace("{share}", "01hs4n0c1d2e")
            .replace("{token}", "01hs4n0c1d2e"))


def check_as(fleet, token, rank):
    """A caller's token, and the most that its role may do."""
    api = Api(fleet.url, token)
    for method, path, operation in operations(contract()):
        if operation["operationId"] not in routed():
            continue
        answer = api.call(method, fill(path), b"" if method != "GET" else None)
        needs = RANKS[operation["x-role"]]
        where = (operation["operationId"], token, answer)
        if rank < needs:
            assert answer.status == (401 if rank == 0 else 403), where
            assert answer.json["status"] == answer.status and answer.json["detail"], where
        else:
            assert answer.status not in (401, 403, 405, 429) and answer.status != 500, where
        assert (answer.status == 401) == ("WWW-Authenticate" in answer.headers), where
        assert answer.headers["X-Content-Type-Options"] == "nosniff", where
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"], where


def check_share(fleet, token):
    api = Api(fleet.url, token)
    for method, path, operation in operations(contract()):
        if operation["operationId"] not in routed() or operation["x-role"] == "none":
            continue
        answer = api.call(method, fill(path), b"" if method != "GET" else None)
        where = (operation["operationId"], answer)
        if not operation.get("x-share"):
            assert answer.status == 403, where
        elif "{run}" in path:
            assert answer.status == 404 and RUN in answer.json["detail"], where
        else:
            assert answer.status < 300, where


def test_every_operation_with_every_caller(lab):
    fleet = lab.fleet("--auth")
    bootstrap = fleet.find(r"The first token.*: (gale_\S{43})\n")
    made = Api(fleet.url, bootstrap).post("/api/v1/tokens", {"name": "gone", "role": "admin"}).json
    assert Api(fleet.url, made["token"]).get("/api/v1/tokens").status == 200
    assert Api(fleet.url, bootstrap).call("DELETE", f"/api/v1/tokens/{made['id']}").status == 204
    end(fleet)
    assert bootstrap.encode() not in (fleet.data / "gale.db").read_bytes()
    viewer = add_token(fleet, 2, "viewer")
    runner = add_token(fleet, 3, "runner", expires=time.time_ns() + 3600 * SECOND)
    expired = add_token(fleet, 4, "admin", expires=time.time_ns() - SECOND)
    shared = add_token(fleet, 5, "viewer", run="01hs4m8vz6d2")
    start(fleet)
    assert "The first token" not in fleet.log("controller")
    for token, rank in ((None, 0), ("garbage", 0), (made["token"], 0), (expired, 0), (viewer, 1),
                        (runner, 2), (bootstrap, 3)):
        check_as(fleet, token, rank)
    check_share(fleet, shared)
    assert "expired" in Api(fleet.url, expired).get("/api/v1/runs").json["detail"]
    basic = Api(fleet.url).get("/api/v1/runs", headers={"Authorization": f"Basic {bootstrap}"})
    assert basic.status == 401, basic


def test_tokens(lab):
    fleet = lab.fleet("--token", "chosen")
    assert "The first token" not in fleet.log("controller")
    api = Api(fleet.url, "chosen")
    for body in ({}, {"name": "", "role": "viewer"}, {"name": "x" * 101, "role": "viewer"},
                 {"name": "x", "role": "none"}, {"name": "x", "role": "root"}, [],
                 {"name": "x", "role": "viewer", "expires_in_days": 0}, b"{",
                 {"name": "x", "role": "viewer", "more": 1}, {"name": 5, "role": "viewer"}):
        answer = api.post("/api/v1/tokens", body)
        assert answer.status == 400 and answer.json["detail"], (body, answer)
    made = [api.post("/api/v1/tokens", {"name": f"<b>{i}", "role": "viewer",
                                        "expires_in_days": 1}).json for i in range(3)]
    admin = api.post("/api/v1/tokens", {"name": "ana", "role": "admin"}).json
    page = api.get("/api/v1/tokens?limit=3").json
    rest = api.get(f"/api/v1/tokens?limit=3&cursor={page['next']}").json
    listed = page["items"] + rest["items"]
    assert sorted(t["id"] for t in listed) == sorted(t["id"] for t in [admin, *made]), listed
    assert rest["next"] is None and not any("token" in t or "hash" in t for t in listed)
    last = api.call("DELETE", f"/api/v1/tokens/{admin['id']}")
    assert last.status == 409 and last.json["type"] == "/problems/last-admin", last
    assert api.call("DELETE", f"/api/v1/tokens/{made[0]['id']}").status == 204
    assert Api(fleet.url, made[0]["token"]).get("/api/v1/runs").status == 401
    assert Api(fleet.url, made[1]["token"]).get("/api/v1/runs").status == 200
    refused = next(a for a in Api(fleet.url, made[2]["token"]).flood("/api/v1/agents", 20000)
                   if a.status != 200)  # far sooner, where 50 a second are not all that there is
    assert refused.status == 429 and int(refused.headers["Retry-After"]) >= 1, refused
    assert api.get("/api/v1/agents").status == 200  # others are not concerned


def test_sessions(lab):
    fleet = lab.fleet("--token", "chosen")
    api, browser = Api(fleet.url, "chosen"), Api(fleet.url)
    token = api.post("/api/v1/tokens", {"name": "ana", "role": "admin"}).json
    assert browser.post("/api/v1/session", {"token": "none"}).status == 401
    assert browser.post("/api/v1/session", {}).status == 400
    opened = browser.post("/api/v1/session", {"token": token["token"]})
    assert opened.json == {"id": token["id"], "name": "ana", "role": "admin", "run": None}
    cookie, *flags = opened.headers["Set-Cookie"].split("; ")
    assert flags == ["Path=/", "HttpOnly", "SameSite=Strict"], flags
    mine = {"Cookie": cookie}
    host = fleet.url.removeprefix("http://")
    assert browser.get("/api/v1/runs", headers=mine).status == 200
    for headers, status in (({}, 403), ({"Origin": fleet.url}, 201),
                            ({"Origin": "http://evil.example"}, 403), ({"Origin": "null"}, 403),
                            ({"Origin": f"https://{host}"}, 403),
                            ({"Sec-Fetch-Site": "same-origin"}, 201),
                            ({"Sec-Fetch-Site": "same-site", "Origin": fleet.url}, 403),
                            ({"Sec-Fetch-Site": "cross-site"}, 403)):
        answer = browser.post("/api/v1/tokens", {"name": "x", "role": "viewer"},
                              headers={**mine, **headers})
        assert answer.status == status, (headers, answer)
    closed = browser.call("DELETE", "/api/v1/session", headers={**mine, "Origin": fleet.url})
    assert closed.status == 204 and "Max-Age=0" in closed.headers["Set-Cookie"]
    assert browser.get("/api/v1/runs", headers=mine).status == 401
    mine["Cookie"] = browser.post("/api/v1/session", {"token": token["token"]}).headers[
        "Set-Cookie"].split(";")[0]
    assert browser.get("/api/v1/runs", headers=mine).status == 200
    assert api.post("/api/v1/tokens", {"name": "other", "role": "admin"}).status == 201
    assert api.call("DELETE", f"/api/v1/tokens/{token['id']}").status == 204
    assert browser.get("/api/v1/runs", headers=mine).status == 401


def test_open_on_loopback(lab):
    """Without tokens a page of another site gets nowhere, nor does a name that points here."""
    fleet = lab.fleet()
    api = Api(fleet.url)
    assert api.get("/api/v1/runs").status == 200, api.get("/api/v1/runs")
    assert Api(fleet.url, "stale").get("/api/v1/runs").status == 401
    port = fleet.url.rsplit(":", 1)[1]
    for headers, status in (({"Host": f"evil.example:{port}"}, 403), ({"Host": "127.evil.x"}, 403),
                            ({"Host": f"localhost:{port}"}, 200), ({"Host": f"[::1]:{port}"}, 200),
                            ({"Sec-Fetch-Site": "cross-site"}, 403),
                            ({"Origin": "http://evil.example"}, 403)):
        answer = api.get("/api/v1/runs", headers=headers)
        assert answer.status == status, (headers, answer)
    token = api.post("/api/v1/tokens", {"name": "v", "role": "viewer"}).json["token"]
    assert Api(fleet.url, token).post("/api/v1/tokens", {}).status == 403


def test_agents_by_tls(lab):
    """The controller's certificate is its nats-server's too; agents check it, and show passwords."""
    lab.certificate("localhost", "-addext", "basicConstraints=critical,CA:TRUE")
    cert, key = lab.dir / "localhost.pem", lab.dir / "localhost.key"
    users = lab.file("users", "us-a password-us\n")
    controller = lab.start("controller", "--data", lab.dir / "c", "--listen", "127.0.0.1:0", "--nats-listen",
                           "0.0.0.0:0", "--tls-cert", cert, "--tls-key", key, "--agent-users", users)
    lab.closing.append(lambda: (controller.kill(), controller.communicate()))
    said = ""
    while "leading the fleet" not in said:
        line = controller.stderr.readline()
        assert line, said
        said += line
    assert "may enlist" not in said, said
    port = re.search(r"listens on tls://127.0.0.1:(\d+)", said).group(1)
    flags = ["agent", "--id", "us-a", "--region", "us-1", "--data", lab.dir, "--nats-user", "us-a",
             "--nats-password", "password-us", "--nats"]
    for scheme in ("nats", "tls"):  # the server asks for TLS, whatever the agent was told
        r = lab.gale(*flags, f"{scheme}://localhost:{port}")
        assert r.code != 0 and "--nats-ca" in r.stderr, r.text
    agent = lab.start(*flags, f"tls://localhost:{port}", "--nats-ca", cert)
    lab.closing.append(lambda: (agent.kill(), agent.communicate()))
    url = "https://localhost:" + re.search(r"https://127.0.0.1:(\d+)", said).group(1)
    for _ in range(100):
        if " ready " in lab.gale("fleet", "agents", "--fleet", url, "--fleet-ca", cert).stdout:
            break
        time.sleep(0.1)
    r = lab.gale("run", "--fleet", url, "--fleet-ca", cert, "--regions", "us-1", "-q", "-u", "2", "-d", "1s",
                 lab.file("s.js", "import { sleep } from 'k6'; export default function () { sleep(0.2); }"))
    assert r.code == 0 and "us-1" in r.stdout, r.text
    assert re.search(r"vus_max\.*: 2 ", r.stdout), r.stdout  # also when the agents have ended


def test_open_nats_is_said(lab):
    controller = lab.start("controller", "--data", lab.dir / "c", "--listen", "127.0.0.1:0", "--nats-listen",
                           "0.0.0.0:0")
    lab.closing.append(lambda: (controller.kill(), controller.communicate()))
    said = controller.stderr.readline() + controller.stderr.readline()
    assert "may enlist agents" in said and "--agent-users" in said, said


def test_beyond_loopback_needs_tokens(lab):
    """And by TLS, as a remote one should be."""
    lab.certificate("localhost", "-addext", "basicConstraints=critical,CA:TRUE")
    cert, key = lab.dir / "localhost.pem", lab.dir / "localhost.key"
    proc = lab.start("controller", "--data", lab.dir / "c", "--listen", "0.0.0.0:0",
                     "--nats-listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key)
    lab.closing.append(lambda: (proc.kill(), proc.communicate()))
    token = proc.stdout.readline().split()[-1]
    line = ""
    while "API and dashboard on" not in line:
        line = proc.stderr.readline()
        assert line, "the controller has ended"
    assert "must show a token" in line
    url = "https://localhost:" + re.search(r"https://0.0.0.0:(\d+)", line).group(1)
    assert Api(url, ca=cert).get("/api/v1/agents").status == 401
    assert Api(url, token, ca=cert).get("/api/v1/agents").status == 200
    assert "Secure" in Api(url, ca=cert).post("/api/v1/session", {"token": token}).headers[
        "Set-Cookie"]
    listing = lab.gale("fleet", "agents", "--fleet", url, "--fleet-ca", cert, "--token", token)
    assert listing.code == 0, listing.text
    refused = lab.gale("fleet", "agents", "--fleet", url, "--token", token)
    assert refused.code != 0 and "certificate" in refused.text, refused.text
    wrong = lab.gale("fleet", "agents", "--fleet", url, "--fleet-ca", cert, "--token", "x")
    assert wrong.code != 0 and "not known" in wrong.text, wrong.text
    for flags, text in (("--tls-cert", "go together"), ("--tls-key", "go together")):
        r = lab.gale("controller", "--data", lab.dir / "d", flags, cert)
        assert r.code == 104 and text in r.text, r.text
    r = lab.gale("controller", "--data", lab.dir / "d", "--tls-cert", key, "--tls-key", cert,
                 "--nats-listen", "127.0.0.1:0", "--listen", "127.0.0.1:0")
    assert r.code == 104 and "certificate" in r.text, r.text
