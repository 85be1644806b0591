#!/usr/bin/env python3
"""What the dashboard costs in a browser: bench/web/run.py BINARY [FOLDER]

Sample to screen, of a real run on two agents; frames while charts of 10,000 points are panned, and
while a run of 200 agents is followed (both of made answers: synthetic.mjs). FOLDER: of the
store with a day of three regions, whose page is opened; made where there is none."""
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))
from lab import Lab  # noqa: E402
from browser import modules  # noqa: E402
sys.path.insert(0, str(ROOT / "bench/store"))
import day  # noqa: E402

SCRIPT = """
import http from 'k6/http';
export const options = { scenarios: { s: { executor: 'constant-arrival-rate', rate: 100,
  duration: '60s', preAllocatedVUs: 20 } } };
export default function () { http.get(`${__ENV.BASE}/products`); }
"""


def kept(lab, folder):
    """A controller on a store with a day of three regions."""
    day.make(folder)
    return lab.fleet("--data", pathlib.Path(folder).resolve())


def main():
    lab, other = (Lab(pathlib.Path(sys.argv[1]).resolve()) for _ in range(2))
    try:
        days = [kept(other, sys.argv[2]).url] if len(sys.argv) > 2 else []
        base = lab.shop()
        fleet = lab.fleet().with_regions(us=1, eu=1)
        proc = fleet.start(lab.file("rate.js", SCRIPT), "-e", f"BASE={base}", "--regions", "us,eu")
        lab.closing.append(lambda: (proc.kill(), proc.communicate()))
        run = fleet.wait_phase("running")
        subprocess.run(["node", ROOT / "bench/web/measure.mjs", fleet.url, run, *days], check=True,
                       timeout=300, env={**os.environ, "WEB_MODULES": str(modules())})
    finally:
        lab.close()
        other.close()


main()
