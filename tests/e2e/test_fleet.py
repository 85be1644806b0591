"""A fleet on this machine: a controller with its nats-server, agents in several regions, and tests
that run on them."""
import json
import os
import signal
import time

WAITS = True

PLAIN = """
import http from 'k6/http';
import { check } from 'k6';
export const options = { vus: 20, iterations: 91 };
export default function () {
  const res = http.get(`${__ENV.BASE}/products`);
  check(res, { 'status is 200': (r) => r.status === 200 });
}
"""

LOOP = """
import http from 'k6/http';
export const options = { scenarios: { s: { executor: 'constant-arrival-rate', rate: 50,
  duration: '%ds', preAllocatedVUs: 80, maxVUs: 80, gracefulStop: '2s' } } };
export default function () { http.get(`${__ENV.BASE}/products`); }
"""


def exported(lab, fleet, script, *args):
    path = lab.dir / "summary.json"
    result = fleet.gale(script, "--quiet", "--summary-export", path, *args)
    return result, json.loads(path.read_text())["metrics"] if path.exists() else {}


def test_same_as_local(lab):
    """The sum over the fleet is what a local run does: iterations, requests, checks."""
    base = lab.shop()
    fleet = lab.fleet().with_regions(us=2, eu=2, ap=2)
    script = lab.file("plain.js", PLAIN)
    before = fleet.get("/api/v1/agents")
    assert len(before["items"]) == 6
    result, m = exported(lab, fleet, script, "-e", f"BASE={base}", "--regions",
                         "us=50%/2,eu=30%/2,ap=20%/2")
    assert result.code == 0, result.text
    assert m["iterations"]["count"] == 91
    assert m["http_reqs"]["count"] == 91
    assert m["checks"]["passes"] == 91 and m["checks"]["fails"] == 0
    assert m["vus_max"]["min"] == m["vus_max"]["max"] == 20, m["vus_max"]
    assert "BY REGION" in result.stdout
    for region in ("us", "eu", "ap"):
        assert f"\n     {region} " in result.stdout, result.stdout
    # The same agents again: nothing of the first run is left.
    result, m = exported(lab, fleet, script, "-e", f"BASE={base}", "--regions", "us=50%,eu=50%")
    assert result.code == 0 and m["iterations"]["count"] == 91, result.text


def test_thresholds_cross(lab):
    base = lab.shop()
    fleet = lab.fleet().with_regions(us=1, eu=1)
    script = lab.file("t.js", PLAIN.replace("vus: 20", "thresholds: { 'http_req_duration{load_zone:eu}'"
                                            ": ['max<0.0001'], http_req_failed: '2%' }, vus: 20"))
    result = fleet.gale(script, "-e", f"BASE={base}", "--regions", "us,eu")
    assert result.code == 99, result.text
    assert "thresholds on metrics 'http_req_duration{load_zone:eu}' have been crossed" in result.stderr


def test_life_of_a_test(lab):
    """setup() once, its data to all; unique VU ids; teardown() once; handleSummary() once."""
    fleet = lab.fleet().with_regions(us=2, eu=1)
    script = lab.file("life.js", """
import exec from 'k6/execution';
import { Counter } from 'k6/metrics';
const setups = new Counter('setups'), teardowns = new Counter('teardowns');
export const options = { vus: 6, iterations: 60 };
export function setup() { setups.add(1); return { token: 'x'.repeat(700000) }; }
export default function (data) {
  if (data.token.length !== 700000) throw new Error('no data');
  console.log(`vu ${__VU} ${exec.vu.idInTest} iter ${exec.scenario.iterationInTest} ` +
    `zone ${__ENV.K6_CLOUDRUN_LOAD_ZONE} instance ${__ENV.K6_CLOUDRUN_INSTANCE_ID}`);
}
export function teardown(data) { if (data.token.length === 700000) teardowns.add(1); }
export function handleSummary(data) {
  return { stdout: `iterations ${data.metrics.iterations.values.count} ` +
    `setups ${data.metrics.setups.values.count} teardowns ${data.metrics.teardowns.values.count}\\n`,
    'out.json': JSON.stringify(data) };
}
""")
    result = fleet.gale(script, "--regions", "us=2/2,eu=1")
    assert result.code == 0, result.text
    assert "iterations 60 setups 1 teardowns 1\n" in result.stdout, result.text
    assert (lab.dir / "out.json").exists()
    lines = [line for line in result.stderr.splitlines() if "vu " in line and "iter " in line]
    iterations = {line.split("iter ")[1].split()[0] for line in lines}
    assert len(lines) == 60 and iterations == {str(i) for i in range(60)}, len(lines)
    vus = {}
    for line in lines:
        words = line.split("vu ")[1].split()
        assert words[0] == words[1]
        vus.setdefault(words[0], set()).add(line.split("instance ")[1].split()[0].strip('"'))
    assert len(vus) <= 6 and all(len(where) == 1 for where in vus.values()), vus


def test_init_error_is_said_once(lab):
    fleet = lab.fleet().with_regions(us=2, eu=1)
    script = lab.file("bad.js", """
export const options = { vus: 6, iterations: 6 };
if (__ENV.K6_CLOUDRUN_LOAD_ZONE) throw new Error('not on a fleet');
export default function () {}
""")
    result = fleet.gale(script, "--regions", "us=2/2,eu=1")
    assert result.code == 107, result.text
    assert result.stderr.count("Error: not on a fleet") == 1, result.stderr
    assert "us-1" in result.stderr and "us-2" in result.stderr and "eu-1" in result.stderr


def test_what_does_not_fit_is_refused(lab):
    fleet = lab.fleet()
    fleet.agent("us", "us-1", "--max-vus", "10")
    fleet.wait_ready(1)
    script = lab.file("plain.js", PLAIN)
    result = fleet.gale(script, "-u", "11", "-i", "11", "--regions", "us")
    assert result.code == 104, result.text
    assert "11" in result.stderr and "10" in result.stderr and "us-1" in result.stderr
    result = fleet.gale(script, "--regions", "mars")
    assert result.code == 104 and "mars" in result.stderr and "us" in result.stderr, result.text
    result = fleet.gale(script, "--regions", "us=60%,eu=50%")
    assert result.code == 104 and "110" in result.stderr, result.text


def test_interrupt_stops_everywhere(lab):
    base = lab.shop()
    fleet = lab.fleet().with_regions(us=1, eu=1)
    script = lab.file("loop.js", LOOP % 60)
    proc = fleet.start(script, "-e", f"BASE={base}", "--regions", "us,eu")
    run = fleet.wait_phase("running")
    time.sleep(1)
    proc.send_signal(signal.SIGINT)
    begun = time.monotonic()
    out, err = proc.communicate(timeout=30)
    assert proc.returncode == 105, out + err
    assert time.monotonic() - begun < 15
    assert "BY REGION" in out
    fleet.wait_ready(2)
    assert fleet.get(f"/api/v1/runs/{run}")["phase"] == "ended"


def test_abort_from_the_script(lab):
    fleet = lab.fleet().with_regions(us=1, eu=1)
    script = lab.file("abort.js", """
import exec from 'k6/execution';
import { sleep } from 'k6';
export const options = { vus: 4, duration: '60s' };
export default function () {
  sleep(0.2);
  if (__ENV.K6_CLOUDRUN_LOAD_ZONE === 'eu' && __ITER === 3) exec.test.abort('enough of it');
}
""")
    begun = time.monotonic()
    result = fleet.gale(script, "--regions", "us,eu")
    assert result.code == 108, result.text
    assert "enough of it" in result.stderr
    assert time.monotonic() - begun < 30


def test_killed_agent_is_replaced(lab):
    """Its load moves to the region's other agent; every arrival is made or counted as dropped."""
    base = lab.shop()
    fleet = lab.fleet().with_regions(us=2, eu=1)
    script = lab.file("loop.js", LOOP % 14)
    path = lab.dir / "summary.json"
    proc = fleet.start(script, "-e", f"BASE={base}", "--regions", "us=2/2,eu=1", "--quiet",
                       "--summary-export", path)
    run = fleet.wait_phase("running")
    time.sleep(4)
    fleet.agents["us-1"].send_signal(signal.SIGKILL)
    out, err = proc.communicate(timeout=60)
    assert proc.returncode == 0, out + err
    kinds = [e["kind"] for e in fleet.get(f"/api/v1/runs/{run}/events")["items"]]
    for kind in ("agent-lost", "load-moved", "load-restored"):
        assert kind in kinds, kinds
    assert "us-1 is lost" in out, out
    m = json.loads(path.read_text())["metrics"]
    made = m["iterations"]["count"] + m.get("dropped_iterations", {}).get("count", 0)
    assert made == 701, m  # those that were under way when it died are dropped, and counted
    windows = fleet.get(f"/api/v1/runs/{run}")["windows"]
    assert windows["lost"] == 0, windows


def test_controller_dies_and_returns(lab):
    """Agents go on; no window is lost; the run ends normally."""
    base = lab.shop()
    fleet = lab.fleet()
    port = fleet.url.rsplit(":", 1)[1]
    nats_port = fleet.nats.rsplit(":", 1)[1]
    fleet.with_regions(us=1, eu=1)
    script = lab.file("loop.js", LOOP % 12)
    proc = fleet.start(script, "-e", f"BASE={base}", "--regions", "us,eu", "--quiet")
    run = fleet.wait_phase("running")
    time.sleep(2)
    fleet.controller.send_signal(signal.SIGKILL)
    fleet.controller.wait()
    time.sleep(2)
    fleet.controller = fleet.spawn("controller", "controller", "--data", fleet.data, "--listen",
                                   f"127.0.0.1:{port}", "--nats-listen", f"127.0.0.1:{nats_port}")
    out, err = proc.communicate(timeout=60)
    assert proc.returncode == 0, out + err
    seen = json.loads(json.dumps(fleet.get(f"/api/v1/runs/{run}")))
    assert seen["windows"]["lost"] == 0, seen
    assert "BY REGION" in out
    line = next(line for line in out.splitlines() if line.strip().startswith("all "))
    assert int(line.split()[2]) == 601, line


def test_stopped_agent_is_fenced(lab):
    """SIGSTOP, then SIGCONT after its part was given away: it stops and sends nothing into the run."""
    base = lab.shop()
    fleet = lab.fleet().with_regions(us=2)
    script = lab.file("loop.js", LOOP % 14)
    proc = fleet.start(script, "-e", f"BASE={base}", "--regions", "us=1/2", "--quiet")
    run = fleet.wait_phase("running")
    time.sleep(2)
    fleet.agents["us-2"].send_signal(signal.SIGSTOP)
    fleet.wait("the loss", lambda: "load-restored" in [
        e["kind"] for e in fleet.get(f"/api/v1/runs/{run}/events")["items"]])
    fleet.agents["us-2"].send_signal(signal.SIGCONT)
    fleet.find("was given to others", "us-2")
    out, err = proc.communicate(timeout=60)
    assert proc.returncode == 0, out + err
    seen = fleet.get(f"/api/v1/runs/{run}")
    assert seen["windows"]["lost"] == 0, seen
    line = next(line for line in out.splitlines() if line.strip().startswith("all "))
    assert int(line.split()[2]) <= 701, line
    fleet.wait_ready(2)


def test_nats_restarts(lab):
    base = lab.shop()
    fleet = lab.fleet().with_regions(us=1, eu=1)
    script = lab.file("loop.js", LOOP % 12)
    proc = fleet.start(script, "-e", f"BASE={base}", "--regions", "us,eu", "--quiet")
    run = fleet.wait_phase("running")
    time.sleep(2)
    pid = int(lab_children(fleet.controller.pid, "nats-server")[0])
    os.kill(pid, signal.SIGKILL)
    fleet.find("starting it again")
    out, err = proc.communicate(timeout=60)
    assert proc.returncode == 0, out + err
    seen = fleet.get(f"/api/v1/runs/{run}")
    assert seen["windows"]["lost"] == 0, seen
    line = next(line for line in out.splitlines() if line.strip().startswith("all "))
    assert int(line.split()[2]) == 601, line


def lab_children(pid, name):
    """Pids of a process's children of that name."""
    found = []
    for child in open(f"/proc/{pid}/task/{pid}/children").read().split():
        with open(f"/proc/{child}/comm") as comm:
            if comm.read().strip() == name[:15]:
                found.append(child)
    return found


def test_region_loses_its_last_agent(lab):
    base = lab.shop()
    fleet = lab.fleet().with_regions(us=1, eu=1)
    script = lab.file("loop.js", LOOP % 12)
    proc = fleet.start(script, "-e", f"BASE={base}", "--regions", "us,eu", "--on-region-lost", "abort")
    fleet.wait_phase("running")
    time.sleep(2)
    fleet.agents["eu-1"].send_signal(signal.SIGKILL)
    out, err = proc.communicate(timeout=60)
    assert proc.returncode == 105, out + err
    assert "region eu has lost its last agent" in err, err


def test_agent_of_another_version(lab):
    """It is refused, and both versions are named. It speaks by hand: this tree has one version."""
    import socket
    fleet = lab.fleet().with_regions(us=1)
    host, port = fleet.nats.removeprefix("nats://").split(":")
    # Status: protocol 1, version "9.9.9", id "old-1", boot "b", region "us"
    status = (b"\x08\x01" + b"\x12\x059.9.9" + b"\x1a\x05old-1" + b"\x22\x01b" + b"\x2a\x02us")
    with socket.create_connection((host, int(port)), timeout=5) as conn:
        conn.recv(4096)
        conn.sendall(b'CONNECT {"verbose":false}\r\nSUB gale.agent.old-1.order 1\r\n')
        conn.sendall(b"PUB gale.agent.old-1.status %d\r\n%s\r\n" % (len(status), status))
        conn.sendall(b"PUB gale.agent.bad-1.status 4\r\n\xff\xff\xff\xff\r\n")  # garbage
        data = b""
        conn.settimeout(10)
        while b"install the same version" not in data:
            data += conn.recv(65536)
    assert b"9.9.9" in data
    agents = {a["id"]: a for a in fleet.get("/api/v1/agents")["items"]}
    ours = lab.gale("version").stdout.split()[1].lstrip("v")
    for version in ("9.9.9", ours):
        assert version in agents["old-1"]["refused"], (version, agents)
    assert "bad-1" not in agents
    fleet.find("gale.agent.bad-1.status made no sense")


def test_two_controllers(lab):
    """One leads; when it dies the other goes on with the run."""
    base = lab.shop()
    fleet = lab.fleet()
    nats = fleet.nats
    other = fleet.spawn("second", "controller", "--nats", nats, "--listen", "127.0.0.1:0",
                        "--data", lab.dir / "second")
    third = fleet.spawn("third", "controller", "--nats", nats, "--listen", "127.0.0.1:0",
                        "--data", lab.dir / "third")
    second_url = fleet.find("API and dashboard on (http://[^ \"]+)", "second")
    fleet.with_regions(us=1, eu=1)
    assert fleet.find("leading the fleet")
    result = lab.gale("run", "--fleet", second_url, "-u", "1", "-i", "1", "--quiet",
                      lab.file("plain.js", PLAIN), "-e", f"BASE={base}")
    assert result.code == 104 and "stands by" in result.stderr, result.text
    assert fleet.url.split("//")[1] not in "" and other.poll() is None and third.poll() is None


def test_agents_are_held_to_their_own_subjects(lab):
    """With --agent-users each agent is a NATS user that can see nobody's orders but its own."""
    import socket
    base = lab.shop()
    users = lab.file("users", "# who may enlist\nus-1 secret-of-us-1\n")
    fleet = lab.fleet("--agent-users", users)
    stranger = fleet.agent("us", "us-9", "--nats-user", "us-9", "--nats-password", "guessed-it")
    fleet.find("uthoriz", "us-9")
    assert stranger.wait(timeout=20) == 104
    fleet.agent("us", "us-1", "--nats-user", "us-1", "--nats-password", "secret-of-us-1")
    fleet.wait_ready(1)
    users.write_text("us-1 secret-of-us-1\nus-2 secret-of-us-2\n")
    fleet.find("2 agents may enlist")
    fleet.agent("us", "us-2", "--nats-user", "us-2", "--nats-password", "secret-of-us-2")
    fleet.wait_ready(2)
    result = fleet.gale(lab.file("plain.js", PLAIN), "-e", f"BASE={base}", "--regions", "us=1/2")
    assert result.code == 0, result.text
    host, port = fleet.nats.removeprefix("nats://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as conn:
        conn.recv(4096)
        conn.sendall(b'CONNECT {"verbose":false,"user":"us-1","pass":"secret-of-us-1"}\r\n'
                     b"SUB gale.agent.us-2.order 1\r\nSUB gale.> 2\r\n"
                     b"PUB gale.agent.us-2.status 2\r\nhi\r\nPING\r\n")
        data = b""
        while data.count(b"Permissions Violation") < 3:
            data += conn.recv(65536)


def test_agent_that_is_stopped_leaves_in_good_order(lab):
    """SIGTERM: what it measured is delivered, its load moves at once, and it ends with 0."""
    base = lab.shop()
    fleet = lab.fleet().with_regions(us=2)
    script = lab.file("loop.js", LOOP % 6)
    path = lab.dir / "summary.json"
    proc = fleet.start(script, "-e", f"BASE={base}", "--regions", "us=1/2", "--quiet",
                       "--summary-export", path)
    run = fleet.wait_phase("running")
    time.sleep(1.5)
    fleet.agents["us-2"].send_signal(signal.SIGTERM)
    assert fleet.agents["us-2"].wait(timeout=20) == 0
    out, err = proc.communicate(timeout=60)
    assert proc.returncode == 0, out + err
    assert "us-2 is lost: it was stopped" in err and "runs on us-1" in err, err
    m = json.loads(path.read_text())["metrics"]
    assert m["iterations"]["count"] + m.get("dropped_iterations", {}).get("count", 0) == 301, m
    assert fleet.get(f"/api/v1/runs/{run}")["windows"]["lost"] == 0


def test_scale(lab):
    """The controller starts and ends agents of a region, and replaces those that die."""
    fleet = lab.fleet("--provision", "local")
    assert lab.gale("fleet", "scale", "us=2", "--fleet", fleet.url).code == 0, lab.result.text
    fleet.wait_ready(2)
    agents = fleet.get("/api/v1/agents")["items"]
    assert {a["region"] for a in agents} == {"us"}
    children = open(f"/proc/{fleet.controller.pid}/task/{fleet.controller.pid}/children").read()
    pid = next(int(p) for p in children.split()
               if "--region" in open(f"/proc/{p}/cmdline").read())
    os.kill(pid, signal.SIGKILL)
    fleet.find("has ended")
    fleet.wait("another one", lambda: sum(
        a["state"] == "ready" for a in fleet.get("/api/v1/agents")["items"]) == 2 and len(
        fleet.get("/api/v1/agents")["items"]) == 3)
    assert lab.gale("fleet", "scale", "us=0", "--fleet", fleet.url).code == 0
    fleet.wait_ready(0)
    result = lab.gale("fleet", "scale", "us", "--fleet", fleet.url)
    assert result.code != 0 and "REGION=N" in result.stderr


def test_an_agents_policy_holds_against_controllers_and_scripts(lab):
    shop = lab.shop()
    fleet = lab.fleet()
    policy = lab.file("policy.json", json.dumps({"deny": ["127.0.0.2"], "maxVUs": 12}))
    fleet.agent("us", "us-1", "--policy", policy)
    fleet.agent("us", "us-2", "--policy", policy)
    fleet.wait_ready(2)
    assert {a["capacity_vus"] for a in fleet.get("/api/v1/agents")["items"]} == {12}
    lab.file("secret.txt", "the secret of this machine")
    script = lab.file("s.js", """
        import http from 'k6/http';
        import { check } from 'k6';
        export const options = { vus: 2, iterations: 4, thresholds: { checks: ['rate==1'] } };
        export default function () {
          const refused = (r) => r.error_code === 1110 && r.error.includes('policy') && r.error.includes('is refused');
          check(http.get('http://127.0.0.2:1/'), { denied: refused });
          check(http.get('http://169.254.169.254/latest/meta-data'), { metadata: refused });
        }""")
    result = fleet.gale(script, "--regions", "us=1/2")
    assert result.code == 0, result.text
    # A file that only the agents' inits would read.
    script = lab.file("t.js", f"""
        if (__VU > 0) open('{lab.dir}/secret.txt');
        export const options = {{ vus: 2, iterations: 2 }};
        export default function () {{}}""")
    result = fleet.gale(script, "--regions", "us=1/2")
    assert result.code == 107 and "secret of this machine" not in result.text, result.text
    # More than the region's agents may run is refused beforehand,
    script = lab.file("u.js", "export const options = { vus: 25, duration: '1s' };\nexport default function () {}")
    result = fleet.gale(script, "--regions", "us")
    assert result.code == 104 and "us-1: 12" in result.stderr, result.text
    # and what is asked for when one is lost, by the one that stays.
    script = lab.file("v.js", LOOP.replace("80", "20") % 10)
    proc = fleet.start(script, "-e", f"BASE={shop}", "--regions", "us=1/2", "--quiet")
    fleet.wait("the run to run", lambda: any(
        r["phase"] == "running" for r in fleet.get("/api/v1/runs")["items"]))
    fleet.agents["us-2"].kill()
    out, err = proc.communicate(timeout=60)
    text = "does not run on us-1: the policy allows 12 VUs here and the test needs 20"
    assert text in err and text in out, (proc.returncode, out, err)


def test_agents_have_labels_and_secrets_of_their_own(lab):
    """What the operator of an agent says of it is shown; secrets that it has reach the scripts that
    run there, and no log."""
    fleet = lab.fleet()
    wrong = fleet.agent("us", "us-8", "--secret-source", "file=/nowhere/at/all")
    assert wrong.wait(timeout=20) == 104 and "/nowhere/at/all" in fleet.log("us-8")
    words = {}
    for name in ("us-1", "eu-1"):
        words[name] = f"word-of-{name}"
        source = lab.file(f"{name}.secrets", f"token={words[name]}\n")
        fleet.agent(name[:2], name, "--label", "team=shop", "--label", f"rack={name}",
                    "--secret-source", f"file={source}")
    fleet.wait_ready(2)
    agents = {a["id"]: a["labels"] for a in fleet.get("/api/v1/agents")["items"]}
    assert agents["us-1"] == {"team": "shop", "rack": "us-1"}, agents
    listed = lab.gale("fleet", "agents", "--fleet", fleet.url)
    assert "team=shop, rack=eu-1" in listed.stdout, listed.text
    script = lab.file("secret.js", """
import secrets from 'k6/secrets';
import { check } from 'k6';
export const options = { vus: 2, iterations: 4 };
export default async function () {
  const token = await secrets.get('token');
  check(token, { 'of this agent': (t) => t === 'word-of-' + __ENV.K6_CLOUDRUN_LOAD_ZONE + '-1' });
  console.log(`the token is ${token}, ${token.length} characters`);
}""")
    path = lab.dir / "summary.json"
    result = fleet.gale(script, "--regions", "us,eu", "--summary-export", path)
    assert result.code == 0, result.text
    checks = json.loads(path.read_text())["metrics"]["checks"]
    assert checks["passes"] == 4 and checks["fails"] == 0, checks
    assert result.stderr.count("the token is ***SECRET_REDACTED***, 12 characters") == 4, result.text
    logs = lab.gale("fleet", "logs", fleet.run_id(), "--fleet", fleet.url).stdout
    for word in words.values():
        assert word not in result.text + logs and word not in fleet.log("us-1") + fleet.log("eu-1")
    result = fleet.gale(script, "--secret-source", "mock=token=mine")
    assert result.code == 104 and "gale agent --secret-source" in result.stderr, result.text
