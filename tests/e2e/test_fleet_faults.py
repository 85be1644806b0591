"""What a fleet does when its components die, are cut off, full, slow or lie. Each test breaks the
thing itself: a signal, a file system of a few MB, a link in a network namespace, a shifted clock."""
import glob
import json
import os
import re
import signal
import socket
import subprocess
import time

from lab import Lab, free_port
from test_outputs import influx, influxdb, one, prometheus

WAITS = True

LOOP = """
import http from 'k6/http';
export const options = { scenarios: { s: { executor: 'constant-arrival-rate', rate: %d,
  duration: '%ds', preAllocatedVUs: 80, maxVUs: 80, gracefulStop: '2s' } } };
export default function () { http.get(`${__ENV.BASE}/products`); }
"""


def finish(proc, timeout=90):
    out, err = proc.communicate(timeout=timeout)
    assert proc.returncode == 0, out + err
    return out, err


def iterations(out):
    """The count of the row "all" of the table by region."""
    return int(next(line for line in out.splitlines() if line.strip().startswith("all ")).split()[2])


def run_of(fleet, run):
    return fleet.get(f"/api/v1/runs/{run}")


def kinds(fleet, run):
    return [e["kind"] for e in fleet.get(f"/api/v1/runs/{run}/events")["items"]]


def nothing_lost(fleet, run):
    windows = run_of(fleet, run)["windows"]
    assert windows["lost"] == 0, windows
    return windows


SEEDED = """
import exec from 'k6/execution';
import http from 'k6/http';
import { check, randomSeed } from 'k6';
import { Trend } from 'k6/metrics';
const sizes = new Trend('sizes');
export const options = { scenarios: {
  shared: { executor: 'shared-iterations', vus: 11, iterations: 97 },
  per_vu: { executor: 'per-vu-iterations', vus: 7, iterations: 13 },
  rate: { executor: 'constant-arrival-rate', rate: 60, duration: '4s', preAllocatedVUs: 250 },
} }; // with a VU for each arrival none is dropped, whatever else keeps the machine
export default function () {
  randomSeed(exec.scenario.iterationInTest + 1); // the same iteration does the same everywhere
  const requests = 1 + Math.floor(Math.random() * 3);
  for (let i = 0; i < requests; i++) {
    const res = http.get(`${__ENV.BASE}/products`);
    check(res, { 'status is 200': (r) => r.status === 200 });
    check(Math.random(), { 'a chance': (chance) => chance < 0.9 });
    sizes.add(Math.exp(10 * Math.random()));
  }
}
"""


def percentile(values, q):
    """k6's rule: between the two nearest, by distance."""
    at = (len(values) - 1) * q
    low = int(at)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (at - low)


def test_seeded_run_is_the_same_on_a_fleet(lab):
    """Six agents in three regions together make the iterations, requests and checks of one, to the
    last one; percentiles are those of every sample, which each agent writes by --out json."""
    base = lab.shop()
    fleet = lab.fleet()
    files = []
    for region in ("us", "eu", "ap"):
        for i in (1, 2):
            files.append(lab.dir / f"{region}-{i}.json")
            fleet.agent(region, f"{region}-{i}", "--out", f"json={files[-1]}")
    fleet.wait_ready(6)
    script = lab.file("seeded.js", SEEDED)
    summaries = []
    for where in (["--fleet", fleet.url, "--regions", "us=50%/2,eu=30%/2,ap=20%/2"], []):
        path = lab.dir / f"summary-{len(summaries)}.json"
        result = lab.gale("run", "--quiet", "-e", f"BASE={base}", *where, "--summary-export", path,
                          "--summary-trend-stats", "med,p(90),p(95),p(99),p(99.9),min,max", script)
        assert result.code == 0, result.text
        summaries.append(json.loads(path.read_text())["metrics"])
    on_fleet, local = ((m["iterations"]["count"], m["http_reqs"]["count"], m["checks"]["passes"],
                        m["checks"]["fails"], m.get("dropped_iterations", {}).get("count", 0))
                       for m in summaries)
    assert on_fleet == local and local[3] > 50, (on_fleet, local)
    assert local[0] == 97 + 7 * 13 + 4 * 60 + 1 and local[4] == 0, local
    for agent in fleet.agents.values():
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(timeout=20) == 0
    for metric in ("http_req_duration", "http_req_waiting", "iteration_duration", "sizes"):
        check_percentiles(files, metric, summaries[0][metric])
    for name, value in summaries[1]["sizes"].items():
        assert abs(summaries[0]["sizes"][name] - value) <= value / 1000, (name, summaries)


def check_percentiles(files, metric, summary):
    values = []
    for file in files:
        own = [point["data"]["value"] for point in map(json.loads, file.read_text().splitlines())
               if point["type"] == "Point" and point["metric"] == metric]
        assert own, f"{file.name} holds no samples"
        values += own
    values.sort()
    for name, q in (("med", .5), ("p(90)", .9), ("p(95)", .95), ("p(99)", .99), ("p(99.9)", .999),
                    ("min", 0), ("max", 1)):
        exact = percentile(values, q)
        assert abs(summary[name] - exact) <= exact / 1000, (metric, name, exact, summary)


def test_leader_dies_in_mid_run(lab):
    """Two controllers on one nats-server: the other takes the lease, and ends the run normally;
    gale run, which knows both, follows it there."""
    base = lab.shop()
    fleet = lab.fleet("--nats", Nats(lab).url)
    fleet.find("leading the fleet")
    fleet.spawn("second", "controller", "--nats", fleet.nats, "--listen", "127.0.0.1:0", "--data",
                lab.dir / "second")
    second = fleet.find("API and dashboard on (http://[^ \"]+)", "second")
    fleet.with_regions(us=1, eu=1)
    prom = prometheus(lab)
    _, influx_url = influxdb(lab)
    # The one that stands by is named first: it sends gale run on.
    path = lab.dir / "summary.json"
    proc = lab.start("run", "--fleet", f"{second},{fleet.url}", "--regions", "us,eu", "--quiet", "-e",
                     f"BASE={base}", "--summary-export", path,
                     "-o", f"prometheus-rw={prom}/api/v1/write", "-o", f"influxdb={influx_url}/k6",
                     lab.file("loop.js", (LOOP % (50, 14)).replace("scenarios:", """
  thresholds: { http_req_duration: ['max<0.001'] }, scenarios:""")))
    run = fleet.wait_phase("running")
    time.sleep(3)
    fleet.controller.kill()
    fleet.controller.wait()
    fleet.url = second
    fleet.find("leading the fleet: going on", "second", timeout=30)
    out, err = proc.communicate(timeout=90)
    assert proc.returncode == 99, out + err  # the threshold's, which the other controller judges
    assert run_of(fleet, run)["phase"] == "ended" and run_of(fleet, run)["exit_code"] == 99
    nothing_lost(fleet, run)
    assert iterations(out) == 701, out
    assert json.loads(path.read_text())["metrics"]["http_reqs"]["count"] == 701
    # What is cumulative is whole; increments miss or double what was on its way at the death.
    assert one(prom, "sum(k6_iterations_total)") == iterations(out)
    sums = influx(influx_url, "SELECT sum(value) FROM iterations")[0]["sum"]
    assert abs(sums - iterations(out)) <= 150, sums


def clients(url):
    """How many connections there are to that port."""
    port = f"{int(url.rsplit(':', 1)[1]):04X}"
    return sum(line.split()[1].endswith(f":{port}") and line.split()[3] == "01"
               for line in open("/proc/net/tcp").readlines()[1:])


def test_leader_hangs(lab):
    """It stands still instead of dying: the other leads, gale run hears nothing and goes there; when
    it wakes it does not act on what it believes any more."""
    fleet = lab.fleet("--nats", Nats(lab).url)
    fleet.find("leading the fleet")
    other = fleet.spawn("second", "controller", "--nats", fleet.nats, "--listen", "127.0.0.1:0",
                        "--data", lab.dir / "second")
    first = fleet.url
    second = fleet.find("API and dashboard on (http://[^ \"]+)", "second")
    fleet.with_regions(us=2)
    proc = lab.start("run", "--fleet", f"{fleet.url},{second}", "--regions", "us=1/2", "--quiet",
                     lab.file("timed.js", TIMED))
    run = fleet.wait_phase("running")
    fleet.controller.send_signal(signal.SIGSTOP)
    fleet.url = second
    fleet.find("leading the fleet: going on", "second", timeout=30)
    fleet.wait("gale run", lambda: clients(second) > 0, timeout=30)
    fleet.controller.send_signal(signal.SIGCONT)
    fleet.find("not leading any more")
    out, err = finish(proc)
    assert "out of reach" in err, err
    assert iterations(out) == 1251, out
    nothing_lost(fleet, run)
    assert "agent-lost" not in kinds(fleet, run) and "is lost" not in fleet.log("controller")
    # It leads again, and does not believe that its run goes on.
    other.send_signal(signal.SIGTERM)
    fleet.wait("the first to lead", lambda: fleet.log("controller").count("leading the fleet") == 2)
    fleet.url = first
    short = lab.file("short.js", "export const options = { vus: 2, iterations: 2 };\n"
                     "export default function () {}")
    result = fleet.gale(short, "--regions", "us=1/2", "--quiet")
    assert result.code == 0 and iterations(result.stdout) == 2, result.text


def test_poison_on_the_data_subject(lab):
    """Garbage among the measurements is counted, logged and passed over."""
    base = lab.shop()
    fleet = lab.fleet().with_regions(us=1, eu=1)
    proc = fleet.start(lab.file("loop.js", LOOP % (50, 5)), "-e", f"BASE={base}", "--regions",
                       "us,eu", "--quiet")
    run = fleet.wait_phase("running")
    host, port = fleet.nats.removeprefix("nats://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as conn:
        conn.recv(4096)
        for body in (b"\xff\xff\xff\xff", b"", b"\x0a\x03abc"):
            conn.sendall(b'CONNECT {"verbose":false}\r\nPUB gale.agent.us-1.data.%s %d\r\n%s\r\n'
                         % (run.encode(), len(body), body))
        conn.sendall(b"PING\r\n")
        while b"PONG" not in conn.recv(4096):
            pass
        out, _ = finish(proc)
    assert iterations(out) == 251, out
    assert nothing_lost(fleet, run)["poison"] == 3
    fleet.find("us-1.*(no message of that kind|another run)")


def test_last_agent_dies_and_another_comes(lab):
    """Policy continue: the region's load waits for a new agent of it."""
    base = lab.shop()
    fleet = lab.fleet("--agent-timeout", "1500ms").with_regions(us=1, eu=1)
    proc = fleet.start(lab.file("loop.js", LOOP % (50, 14)), "-e", f"BASE={base}", "--regions",
                       "us,eu", "--quiet", "--on-region-lost", "continue")
    run = fleet.wait_phase("running")
    time.sleep(2)
    fleet.agents["eu-1"].kill()
    fleet.wait("the loss", lambda: "agent-lost" in kinds(fleet, run))
    fleet.agent("eu", "eu-2")
    fleet.wait("restored load", lambda: "load-restored" in kinds(fleet, run))
    out, _ = finish(proc)
    nothing_lost(fleet, run)
    assert 351 <= iterations(out) <= 701, out
    rows = [line.split() for line in out.splitlines() if re.match(r"\s+eu ", line)]
    assert rows, out


def death_in(lab, part, victim_says):
    """The agent that leads is killed while it is in that part of the script."""
    fleet = lab.fleet("--agent-timeout", "1500ms").with_regions(us=3)
    script = lab.file("life.js", """
import { sleep } from 'k6';
export const options = { vus: 3, iterations: 30, setupTimeout: '30s', teardownTimeout: '30s' };
const slow = (part) => { if (__ENV.PART === part) { console.log('in ' + part); sleep(4); } };
if (__ENV.PART === 'init' && __ENV.K6_CLOUDRUN_INSTANCE_ID) {
  const until = Date.now() + 4000;
  while (Date.now() < until);
}
export function setup() { slow('setup'); return { a: 1 }; }
export default function (data) { if (data.a !== 1) throw new Error('no data'); sleep(0.05); }
export function teardown(data) { slow('teardown'); console.log('teardown is over'); }
""")
    proc = fleet.start(script, "-e", f"PART={part}", "--regions", "us=1/2", "--quiet")
    run = fleet.wait_phase("initialising" if part == "init" else part)

    def victim():
        return next((n for n in fleet.agents if re.search(victim_says, fleet.log(n))), None)

    name = fleet.wait("the victim", victim)
    time.sleep(0.5)
    fleet.agents[name].kill()
    out, err = proc.communicate(timeout=60)
    return fleet, run, proc.returncode, out, err


def test_agent_dies_during_init(lab):
    fleet, run, code, out, err = death_in(lab, "init", r"run \S+: 1 part")
    assert code == 0, out + err
    assert iterations(out) == 30, out + err
    nothing_lost(fleet, run)


def test_agent_dies_during_setup(lab):
    fleet, run, code, out, err = death_in(lab, "setup", "in setup")
    assert code == 0, out + err
    assert iterations(out) == 30, out + err
    nothing_lost(fleet, run)


def test_agent_dies_during_teardown(lab):
    """The others stay until it has been run: one of them runs it."""
    fleet, run, code, out, err = death_in(lab, "teardown", "in teardown")
    assert code == 0, out + err
    assert iterations(out) == 30, out + err
    assert "is lost" in err and err.count("teardown is over") == 1, err
    nothing_lost(fleet, run)


def test_slow_clock(lab):
    """An agent whose clock is 90 s behind: the offset is known, and its seconds are the run's."""
    base = lab.shop()
    fleet = lab.fleet()
    fleet.agent("us", "us-1")
    library, = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    env = {"LD_PRELOAD": library, "FAKETIME": "-90", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    fleet.agent("eu", "eu-1", env=env)
    fleet.wait_ready(2)
    fleet.wait("the offsets", lambda: all(
        a["clock_offset_ms"] is not None for a in fleet.get("/api/v1/agents")["items"]))
    offsets = {a["id"]: a["clock_offset_ms"] for a in fleet.get("/api/v1/agents")["items"]}
    assert 89000 < offsets["eu-1"] < 91000 and abs(offsets["us-1"]) < 1000, offsets
    listed = lab.gale("fleet", "agents", "--fleet", fleet.url)
    row = next(line for line in listed.stdout.splitlines() if line.strip().startswith("eu-1"))
    assert re.search(r"\b(89|90)\d{3}", row), listed.text
    proc = fleet.start(lab.file("loop.js", LOOP % (50, 5)), "-e", f"BASE={base}", "--regions",
                       "us,eu", "--quiet")
    run = fleet.wait_phase("running")
    out, _ = finish(proc)
    assert iterations(out) == 251, out
    nothing_lost(fleet, run)
    # Each second holds what both made in it: 25 each, but for those on its edges.

    def stored():
        series = fleet.get(f"/api/v1/runs/{run}/series?metric=iterations&agg=count&by=region&step=1")
        seconds = {c["by"]: dict(zip(series["t"], values))
                   for c, values in zip(series["columns"], series["values"])}
        return seconds if sum(sum(v or 0 for v in s.values()) for s in seconds.values()) == 251 else None

    seconds = fleet.wait("what is stored", stored)
    for second in range(5):
        assert all(15 <= seconds[region][second] <= 35 for region in ("us", "eu")), seconds


ENOUGH = """
import exec from 'k6/execution';
import { sleep } from 'k6';
import { Counter } from 'k6/metrics';
const began = new Counter('began'), told = new Counter('told');
export const options = {
  thresholds: __ENV.HOW === 'threshold' ?
    { began: [{ threshold: 'count<100', abortOnFail: true }] } : {},
  scenarios: { s: { executor: 'constant-arrival-rate', rate: 60, duration: '60s',
    preAllocatedVUs: 20, gracefulStop: '30s' } } };
export default function () {
  began.add(1, { how: __ENV.HOW });
  if (__ENV.HOW === 'script' && __ENV.K6_CLOUDRUN_LOAD_ZONE === 'eu' &&
      exec.scenario.iterationInTest > 100) {
    told.add(1);
    exec.test.abort('enough of it');
  }
  sleep(0.01);
}
"""


def samples(path, metric):
    """(seconds, tags) of each of a metric's samples."""
    for line in path.read_text().splitlines():
        point = json.loads(line)
        if point["type"] == "Point" and point["metric"] == metric:
            whole, fraction = point["data"]["time"].rstrip("Z").split(".")
            seconds = time.mktime(time.strptime(whole, "%Y-%m-%dT%H:%M:%S"))
            yield seconds + float(f"0.{fraction}"), point["data"]["tags"]


def test_aborts_reach_everybody(lab):
    """By the agents' own records: some seconds after the reason to stop nobody begins anything."""
    fleet = lab.fleet()
    files = []
    for region in ("us", "eu", "ap"):
        files.append(lab.dir / f"{region}.json")
        fleet.agent(region, f"{region}-1", "--out", f"json={files[-1]}")
    fleet.wait_ready(3)
    script = lab.file("enough.js", ENOUGH)
    for how, code, why in (("script", 108, "enough of it"), ("threshold", 99, "began")):
        result = fleet.gale(script, "--quiet", "-e", f"HOW={how}", "--regions", "us,eu,ap")
        assert result.code == code and why in result.stderr, result.text
        nothing_lost(fleet, fleet.run_id())
    for agent in fleet.agents.values():
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(timeout=20) == 0
    began = {"script": [], "threshold": []}
    for file in files:
        own = list(samples(file, "began"))
        for how, times in began.items():
            mine = [at for at, tags in own if tags["how"] == how]
            assert mine, (file, how)
            times += mine
    reasons = {"script": min(at for file in files for at, _ in samples(file, "told")),
               "threshold": sorted(began["threshold"])[99]}
    for how, reason in reasons.items():
        # It is two seconds where nothing else keeps the machine; the test would go on for 58.
        assert max(began[how]) - reason < 10, (how, max(began[how]) - reason)


def mounted(lab, name, size):
    """A file system of that size, of the test's own."""
    folder = lab.dir / name
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], check=True)
    lab.closing.insert(0, lambda: subprocess.run(["umount", "-l", folder], check=False))
    return folder


def fill(folder):
    with open(folder / "ballast", "wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(b"x" * 4096)
        except OSError:
            pass
    return folder / "ballast"


def test_disk_of_nats_is_full(lab):
    """Agents keep what the stream can't take, and deliver it when there is room again."""
    base = lab.shop()
    folder = mounted(lab, "small", "24m")
    fleet = lab.fleet("--data", folder).with_regions(us=1, eu=1)
    proc = fleet.start(lab.file("loop.js", LOOP % (50, 14)), "-e", f"BASE={base}", "--regions",
                       "us,eu", "--quiet")
    run = fleet.wait_phase("running")
    time.sleep(1)
    ballast = fill(folder)
    fleet.find("the disk of .* is full: nothing is stored any more")
    merged = run_of(fleet, run)["windows"]["merged"]
    time.sleep(5)
    assert run_of(fleet, run)["windows"]["merged"] <= merged + 4  # those that were under way
    ballast.unlink()
    fleet.find("there is space again")
    out, _ = finish(proc)
    assert iterations(out) == 701, out
    windows = nothing_lost(fleet, run)
    assert windows["merged"] >= 2 * 14 and windows["late"] >= 2, windows
    # nats-server stood still, and agents could not be heard: that was nobody's death.
    assert "agent-lost" not in kinds(fleet, run), kinds(fleet, run)


class Nats:
    """A nats-server that dies and returns when a test wants."""

    def __init__(self, lab):
        self.port = free_port()
        self.folder = lab.dir / "js"
        self.start()
        lab.closing.append(self.kill)

    def start(self):
        self.proc = subprocess.Popen(["nats-server", "-js", "-a", "127.0.0.1", "-p", str(self.port),
                                      "-sd", self.folder], stderr=subprocess.DEVNULL)

    def kill(self):
        self.proc.kill()
        self.proc.wait()

    @property
    def url(self):
        return f"nats://127.0.0.1:{self.port}"


MANY_SERIES = """
import exec from 'k6/execution';
import { Counter } from 'k6/metrics';
const marks = new Counter('marks');
const long = 'x'.repeat(600);
export const options = { scenarios: { s: { executor: 'constant-arrival-rate', rate: 50,
  duration: '16s', preAllocatedVUs: 80, gracefulStop: '2s' } } };
export default function () {
  const base = (exec.scenario.iterationInTest % 50) * 160;
  for (let i = 0; i < 160; i++) marks.add(1, { long: long + (base + i) });
}
"""


def test_disk_of_an_agent_is_full(lab):
    """The link is down and its folder has no room: what it measured stays in memory, goes to the disk
    when that has room again, and all of it is delivered in the end."""
    folder = mounted(lab, "small", "64m")
    ballast = fill(folder)
    nats = Nats(lab)
    fleet = lab.fleet("--nats", nats.url)
    fleet.agent("us", "us-1", "--data", folder)
    fleet.agent("eu", "eu-1")
    fleet.wait_ready(2)
    path = lab.dir / "summary.json"
    proc = fleet.start(lab.file("many.js", MANY_SERIES), "--regions", "us,eu", "--quiet",
                       "--summary-export", path)
    run = fleet.wait_phase("running")
    time.sleep(1)
    nats.kill()
    fleet.find("measurements wait in memory only: can't write in .*small: No space", "us-1")
    ballast.unlink()
    fleet.find("measurements wait in .*small again", "us-1")
    assert "memory only" not in fleet.log("eu-1")
    nats.start()
    finish(proc)
    m = json.loads(path.read_text())["metrics"]
    assert m["iterations"]["count"] + m.get("dropped_iterations", {}).get("count", 0) == 801, m
    assert m["marks"]["count"] == 160 * m["iterations"]["count"], m["marks"]
    windows = nothing_lost(fleet, run)
    assert windows["merged"] >= 2 * 16 and windows["late"] >= 2, windows
    assert [a["lost_data"] for a in fleet.get("/api/v1/agents")["items"]] == [0, 0]


class Namespace:
    """A network namespace with one link to this one: 10.213.N.1 here, 10.213.N.2 there."""

    def __init__(self, lab):
        number = os.getpid() % 250
        self.name = f"gale{os.getpid()}"
        self.near = f"gv{os.getpid()}"
        self.address = f"10.213.{number}.1"
        lab.closing.append(lambda: self.ip("netns", "del", self.name, check=False))
        self.ip("netns", "add", self.name)
        self.ip("link", "add", self.near, "type", "veth", "peer", "name", "far", "netns", self.name)
        self.ip("addr", "add", f"{self.address}/30", "dev", self.near)
        self.ip("link", "set", self.near, "up")
        self.ip("-n", self.name, "addr", "add", f"10.213.{number}.2/30", "dev", "far")
        self.ip("-n", self.name, "link", "set", "far", "up")
        self.ip("-n", self.name, "link", "set", "lo", "up")
        self.enter = ("ip", "netns", "exec", self.name)

    @staticmethod
    def ip(*args, check=True):
        subprocess.run(["ip", *args], check=check)

    def link(self, state):
        self.ip("link", "set", self.near, state)


TIMED = """
import { sleep } from 'k6';
export const options = { scenarios: { s: { executor: 'constant-arrival-rate', rate: 50,
  duration: '25s', preAllocatedVUs: 80, maxVUs: 80, gracefulStop: '2s' } } };
export default function () { sleep(0.005); }
"""


def start_patient(lab, net):
    """With a long --agent-timeout nobody is given up in 20 s: the region goes on by itself."""
    base = lab.shop()
    far = subprocess.Popen([*net.enter, lab.binary.parent / "gale-shop"], stdout=subprocess.PIPE,
                           text=True)
    lab.closing.append(lambda: (far.kill(), far.wait(), far.stdout.close()))
    far_base = far.stdout.readline().split()[-1]
    fleet = lab.fleet("--agent-timeout", "30s", "--nats-listen", f"{net.address}:0")
    fleet.agent("us", "us-1")
    for name in ("eu-1", "eu-2"):
        fleet.agent("eu", name, before=net.enter)
    fleet.wait_ready(3)
    script = lab.file("loop.js", (LOOP % (50, 25)).replace(
        "__ENV.BASE", "__ENV[`BASE_${__ENV.K6_CLOUDRUN_LOAD_ZONE}`]"))
    return fleet, fleet.start(script, "-e", f"BASE_us={base}", "-e", f"BASE_eu={far_base}",
                              "--regions", "us=1,eu=1/2", "--quiet")


def start_strict(lab, net):
    """Agents are given up after 3 s: us-2's load is taken over, eu-1 is the last of its region."""
    fleet = lab.fleet("--nats-listen", f"{net.address}:0")
    fleet.agent("us", "us-1")
    fleet.agent("us", "us-2", before=net.enter)
    fleet.agent("eu", "eu-1", before=net.enter)
    fleet.wait_ready(3)
    return fleet, fleet.start(lab.file("timed.js", TIMED), "--regions", "us=50%/2,eu=50%", "--quiet",
                              "--summary-export", lab.dir / "summary.json")


def region_iterations(out, region):
    return int(next(line for line in out.splitlines()
                    if line.strip().startswith(f"{region} ")).split()[2])


def check_strict(lab, fleet, run, out):
    m = json.loads((lab.dir / "summary.json").read_text())["metrics"]
    made, dropped = (m.get(n, {}).get("count", 0) for n in ("iterations", "dropped_iterations"))
    assert made + dropped == 1251, m
    assert 0 < dropped < 13 * 8, m  # of us-2's quarter, until us-1 had it
    # What eu-1 made meanwhile has arrived, all of it; what us-2 went on with is refused.
    assert region_iterations(out, "eu") == 625, out
    windows = nothing_lost(fleet, run)
    assert windows["late"] >= 15 and windows["fenced"] >= 10, windows
    fleet.find("was given to others", "us-2")
    assert "was given to others" not in fleet.log("eu-1")


def test_region_is_cut_off(lab):
    """For 20 s nothing passes between some agents and the rest. They go on with their load; what they
    measured counts afterwards, all of it and once, unless others were given their load."""
    net = Namespace(lab)
    patient, strict = (Lab(lab.binary) for _ in range(2))
    lab.closing += [patient.close, strict.close]
    runs = []
    for own, start in ((patient, start_patient), (strict, start_strict)):
        fleet, proc = start(own, net)
        runs.append((fleet, proc, fleet.wait_phase("running")))
    time.sleep(1.5)
    net.link("down")
    time.sleep(20)
    for fleet, _, run in runs:
        assert run_of(fleet, run)["phase"] == "running"
    fleet, _, run = runs[1]
    said = kinds(fleet, run)
    assert said.count("agent-lost") == 2 and "load-restored" in said, said
    net.link("up")
    fleet, proc, run = runs[0]
    out, _ = finish(proc)
    assert iterations(out) == 1251, out
    windows = nothing_lost(fleet, run)
    assert windows["late"] >= 20 and "agent-lost" not in kinds(fleet, run), windows
    fleet, proc, run = runs[1]
    out, _ = finish(proc)
    check_strict(strict, fleet, run, out)
