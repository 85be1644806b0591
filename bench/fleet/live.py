"""Figures of a whole fleet on this machine: a controller, its nats-server, agents, runs."""
import calendar
import contextlib
import json
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from lab import Lab  # noqa: E402

BEGAN = """
import { Counter } from 'k6/metrics';
import { sleep } from 'k6';
const began = new Counter('began');
export const options = { scenarios: { s: %s } };
export default function () { began.add(1, { run: __ENV.RUN }); sleep(0.001); }
"""


@contextlib.contextmanager
def lab():
    it = Lab(ROOT / "build" / "gale")
    try:
        yield it
    finally:
        it.close()


def agents_with_samples(fleet, regions, per_region):
    """Agents that write all they measure; returns their files by name."""
    files = {}
    for region in regions:
        for i in range(per_region):
            name = f"{region}-{i + 1}"
            files[name] = fleet.lab.dir / f"{name}.json"
            fleet.agent(region, name, "--out", f"json={files[name]}")
    fleet.wait_ready(len(files))
    return files


def stop(fleet):
    """Files are whole when their agents have ended."""
    for agent in fleet.agents.values():
        agent.send_signal(signal.SIGTERM)
    for agent in fleet.agents.values():
        agent.wait(timeout=30)


def wall(text):
    """Seconds of an RFC 3339 time in UTC with a fraction."""
    whole, fraction = text.rstrip("Z").split(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float(f"0.{fraction}")


def began(path):
    """(run, wall seconds) of each iteration's begin."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if '"began"' not in line or '"Point"' not in line:
            continue
        with contextlib.suppress(ValueError):  # the last line of one that was killed
            data = json.loads(line)["data"]
            yield data["tags"].get("run"), wall(data["time"])


def start_spread(runs=9):
    """Milliseconds between the first agent's first iteration and the last agent's, of each run."""
    shape = "{ executor: 'per-vu-iterations', vus: 12, iterations: 20 }"
    with lab() as it:
        fleet = it.fleet()
        files = agents_with_samples(fleet, ("us", "eu", "ap"), 4)
        script = it.file("start.js", BEGAN % shape)
        for run in range(runs):
            result = fleet.gale(script, "--quiet", "-e", f"RUN={run}", "--regions",
                                "us=1/4,eu=1/4,ap=1/4")
            assert result.code == 0, result.text
        stop(fleet)
        first = [{} for _ in range(runs)]
        for name, path in files.items():
            for run, at in began(path):
                first[int(run)][name] = min(at, first[int(run)].get(name, at))
    assert all(len(f) == 12 for f in first), first
    return [(max(f.values()) - min(f.values())) * 1e3 for f in first]


def restored_after(times, killed, rate):
    """Seconds from the kill to the begin of the first second that has its whole load again."""
    later = sorted(t for t in times if t >= killed)
    for i, at in enumerate(later):
        if i + 0.97 * rate < len(later) and later[int(i + 0.97 * rate)] - at <= 1:
            return at - killed
    raise AssertionError("the load was not restored")


def restore(runs=2, kills=3, rate=200):
    """Seconds from each SIGKILL of an agent to restored load, as the others' samples show it."""
    found = []
    for _ in range(runs):
        seconds = 4 + 8 * kills
        with lab() as it:
            fleet = it.fleet()
            files = agents_with_samples(fleet, ("us",), kills + 1)
            script = it.file("restore.js", BEGAN % (
                f"{{ executor: 'constant-arrival-rate', rate: {rate}, duration: '{seconds}s', "
                "preAllocatedVUs: 40, maxVUs: 40 }"))
            proc = fleet.start(script, "--quiet", "-e", "RUN=0", "--regions", f"us=1/{kills + 1}")
            fleet.wait_phase("running")
            killed = []
            for i in range(kills):
                time.sleep(4 if i == 0 else 8)
                fleet.agents[f"us-{i + 1}"].kill()
                killed.append(time.time())
            out, err = proc.communicate(timeout=60)
            assert proc.returncode == 0, out + err
            stop(fleet)
            times = {name: [at for _, at in began(path)] for name, path in files.items()}
        for i, at in enumerate(killed):
            end = killed[i + 1] if i + 1 < kills else float("inf")
            alive = [t for name, list_ in times.items() if int(name[3:]) > i + 1 for t in list_]
            found.append(restored_after([t for t in alive if t < end], at, rate))
    return found


ABORTS = """
import exec from 'k6/execution';
import { Counter } from 'k6/metrics';
import { sleep } from 'k6';
const began = new Counter('began');
export const options = { vus: 12, duration: '60s' };
export default function () {
  began.add(1, { run: __ENV.RUN });
  if (exec.vu.idInTest === 5 && __ITER === 100) exec.test.abort();
  sleep(0.01);
}
"""


def stopped_after(runs=5):
    """Seconds from exec.test.abort() on one of 6 agents to the last begin of an iteration anywhere."""
    with lab() as it:
        fleet = it.fleet()
        files = agents_with_samples(fleet, ("us", "eu", "ap"), 2)
        script = it.file("abort.js", ABORTS)
        for run in range(runs):
            result = fleet.gale(script, "--quiet", "-e", f"RUN={run}", "--regions",
                                "us=1/2,eu=1/2,ap=1/2")
            assert result.code == 108, result.text
        stop(fleet)
        last = [{} for _ in range(runs)]
        for name, path in files.items():
            for run, at in began(path):
                last[int(run)][name] = max(at, last[int(run)].get(name, at))
    # The agent that aborts stops at once: it is the first to begin nothing more.
    return [max(f.values()) - min(f.values()) for f in last]


@contextlib.contextmanager
def nats(folder):
    """A nats-server that counts; yields its address and what it answers with."""
    ports = []
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            probe = stack.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
    proc = subprocess.Popen(["nats-server", "-js", "-a", "127.0.0.1", "-p", str(ports[0]), "-m",
                             str(ports[1]), "-sd", str(folder)], stderr=subprocess.DEVNULL)

    def connections():
        with urllib.request.urlopen(f"http://127.0.0.1:{ports[1]}/connz?subs=true") as answer:
            return json.load(answer)["connections"]

    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", ports[0])):
                break
            time.sleep(0.05)
        yield f"nats://127.0.0.1:{ports[0]}", connections
    finally:
        proc.kill()
        proc.wait()


def agents_bytes(connections):
    """(sent, received) of all agents so far: they are the ones with a subscription to orders."""
    mine = [c for c in connections() if any(s.startswith("gale.agent.") and s.endswith(".order")
                                            for s in c.get("subscriptions_list", []))]
    return (sum(c["in_bytes"] for c in mine), sum(c["out_bytes"] for c in mine))


def traffic(url, agents=6, rate=50, seconds=20):
    """Bytes per agent and second that agents send and receive: idle, and each with `rate` requests a
    second."""
    with lab() as it, nats(it.dir / "js") as (address, connections):
        fleet = it.fleet("--nats", address)
        for i in range(agents):
            fleet.agent("us", f"us-{i + 1}")
        fleet.wait_ready(agents)
        time.sleep(12)  # the clock is asked more often at first

        def per_agent(wait):
            before, at = agents_bytes(connections), time.monotonic()
            time.sleep(wait)
            after, took = agents_bytes(connections), time.monotonic() - at
            return [(b - a) / took / agents for a, b in zip(before, after)]

        idle = per_agent(10)
        script = it.file("traffic.js", """
import http from 'k6/http';
import { check } from 'k6';
export const options = { scenarios: { s: { executor: 'constant-arrival-rate', rate: %d,
  duration: '%ds', preAllocatedVUs: %d } } };
export default function () {
  check(http.get('%s'), { 'status is 200': (r) => r.status === 200 });
}""" % (rate * agents, seconds + 6, 4 * agents, url))
        proc = fleet.start(script, "--quiet", "--regions", f"us=1/{agents}")
        fleet.wait_phase("running")
        time.sleep(3)
        busy = per_agent(seconds)
        out, err = proc.communicate(timeout=60)
        assert proc.returncode == 0, out + err
    return idle, busy
