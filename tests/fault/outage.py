#!/usr/bin/env python3
"""An outage of every component in turn during one run, which ends with right totals.

    tests/fault/outage.py BINARY [SECONDS]      (default: 180)

Of a run of that length: an agent is killed and another comes, the controller is killed and returns,
nats-server is killed and returns, an agent is stopped until its load was given away, then goes on.
Prints what was made, dropped and lost; exits with 1 when a window is lost or an arrival is in no
window. Under 40 s outages come too close. `make outage` runs it for three minutes, tests/e2e for 40 s."""
import json
import os
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from lab import Lab  # noqa: E402
from test_fleet_faults import LOOP, kinds, run_of  # noqa: E402

RATE = 50


def say(text):
    print(text, flush=True)


def children(pid, name):
    pids = open(f"/proc/{pid}/task/{pid}/children").read().split()
    return [int(c) for c in pids if open(f"/proc/{c}/comm").read().strip() == name]


def restored(fleet, run, count):
    fleet.wait(f"{count} times restored load",
               lambda: kinds(fleet, run).count("load-restored") >= count, timeout=60)


def outages(lab, fleet, run, begun, seconds):
    """Each begins at its share of the run's time, and is over when the fleet has recovered."""
    def wait_for(share):
        time.sleep(max(0, begun + share * seconds - time.monotonic()))

    wait_for(0.1)
    fleet.agents["us-1"].kill()
    killed = time.monotonic()
    restored(fleet, run, 1)
    say(f"outage: an agent was killed: load restored after {time.monotonic() - killed:.1f} s")
    fleet.agent("us", "us-3")
    wait_for(0.3)
    port, nats_port = fleet.url.rsplit(":", 1)[1], fleet.nats.rsplit(":", 1)[1]
    fleet.controller.kill()
    fleet.controller.wait()
    time.sleep(2)
    fleet.controller = fleet.spawn("controller", "controller", "--data", fleet.data, "--listen",
                                   f"127.0.0.1:{port}", "--nats-listen", f"127.0.0.1:{nats_port}")
    fleet.wait("the controller", lambda: run_of(fleet, run)["phase"] == "running", timeout=60)
    say("outage: the controller was killed, and is back")
    wait_for(0.5)
    os.kill(children(fleet.controller.pid, "nats-server")[0], signal.SIGKILL)
    say("outage: nats-server was killed")
    wait_for(0.7)
    before = kinds(fleet, run).count("load-restored")
    fleet.agents["eu-1"].send_signal(signal.SIGSTOP)
    restored(fleet, run, before + 1)
    fleet.agents["eu-1"].send_signal(signal.SIGCONT)
    say("outage: an agent was stopped, replaced, and went on")


def outage(lab, seconds):
    base = lab.shop()
    fleet = lab.fleet().with_regions(us=2, eu=2)
    path = lab.dir / "summary.json"
    proc = fleet.start(lab.file("loop.js", LOOP % (RATE, seconds)), "-e", f"BASE={base}",
                       "--regions", "us=1/2,eu=1/2", "--quiet", "--summary-export", path)
    run = fleet.wait_phase("running")
    outages(lab, fleet, run, time.monotonic(), seconds)
    out, err = proc.communicate(timeout=seconds + 60)
    assert proc.returncode == 0, out + err
    m = json.loads(path.read_text())["metrics"]
    made, dropped = (m.get(n, {}).get("count", 0) for n in ("iterations", "dropped_iterations"))
    windows = run_of(fleet, run)["windows"]
    due = RATE * seconds + 1
    say(f"outage: {due} arrivals were due: {made} made, {dropped} dropped and counted, "
          f"{due - made - dropped} in no window; windows {windows}")
    assert windows["lost"] == 0, windows
    # What an agent had made and not sent when it died counts as dropped.
    assert made + dropped == due, (due, made, dropped)
    assert dropped < due / 4, (due, made, dropped)


def main():
    lab = Lab(pathlib.Path(sys.argv[1]).resolve())
    try:
        outage(lab, int(sys.argv[2]) if len(sys.argv) > 2 else 180)
    finally:
        lab.close()


if __name__ == "__main__":
    main()
