"""The dashboard in a real browser."""
import gzip
import json
import os
import pathlib
import re
import signal
import subprocess
import urllib.request

from api_client import Api
from browser import drive, finish, modules
from lab import ok

ROOT = pathlib.Path(__file__).resolve().parents[2]


def fetch(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read(), answer.headers


def test_data(lab):
    """What has no picture: built for node, and tried there."""
    subprocess.run(["npx", "--no-install", "vite", "build", "--ssr", ROOT / "web/src/data/thin.ts",
                    "--outDir", lab.dir / "data"], cwd=modules(), check=True, capture_output=True, timeout=120)
    finish(drive(lab, "data.mjs", lab.dir / "data"))


def test_files(lab):
    """The policy, names that may be kept for ever, and no more than 300 KB compressed."""
    fleet = lab.fleet()
    page, headers = fetch(fleet.url + "/")
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-cache"
    assert fetch(fleet.url + "/runs/none")[0] == page
    size = len(page)
    for path in re.findall(r'(?:src|href)="(/assets/[^"]+)"', gzip.decompress(page).decode()):
        data, headers = fetch(fleet.url + path)
        assert "immutable" in headers["Cache-Control"]
        size += len(data)
    assert 10_000 < size < 300 * 1024, size


# What a script may name, and say: nothing of it is HTML.
HOSTILE = """
import http from 'k6/http';
import { check, sleep } from 'k6';
export const options = { scenarios: { s: { executor: 'constant-vus', vus: 3, duration: '3s', gracefulStop: '1s' } } };
export default function () {
  const name = '<img src=x onerror="wasRun = true">';
  const r = http.get(`${__ENV.BASE}/missing`, { tags: { name } });
  check(r, { [name]: () => false });
  console.log(name);
  sleep(0.3);
}
"""

METRICS = b"""# TYPE queue gauge
queue{pool="<img src=x>"} 3
queue{pool="db"} 4
"""


def test_a_run_from_the_browser(lab):
    """The story: a script is uploaded, three regions run it, an agent is killed, it is stopped,
    compared with a run whose names are HTML, and its report is opened from disk."""
    base = lab.shop()
    fleet = lab.fleet()
    regions = {"us-east-1": 20, "eu-central-1": 95, "ap-southeast-2": 240}
    for region, rtt in regions.items():
        fleet.agent(region, f"{region}-a", "--emulate", f"rtt={rtt}ms")
    fleet.agent("us-east-1", "us-east-1-b", "--emulate", "rtt=20ms")
    fleet.wait_ready(4)
    target = lab.server(lambda conn, _: ok(conn, METRICS))
    hostile = lab.file("<img src=x onerror='wasRun = true'>.js", HOSTILE)
    ran = fleet.gale(hostile, "-e", f"BASE={base}", "--regions", ",".join(regions),
                     "--scrape", f"shop={target.url}/metrics")
    assert ran.code == 0
    text = (ROOT / "examples/mission.js").read_text()
    script = lab.file("mission.js", text.replace("'1m'", "'10s'"))
    archive = lab.dir / "mission.tar"
    assert lab.gale("archive", "-O", archive, script).code == 0
    folder = os.environ.get("GALE_SCREENSHOTS", lab.dir)
    browser = drive(lab, "web.mjs", fleet.url, script, archive, base, folder)
    if browser.stdout.readline() == "kill\n":
        fleet.agents["us-east-1-a"].send_signal(signal.SIGKILL)
    finish(browser)


FOREVER = """
import { sleep } from 'k6';
export const options = { vus: 1, duration: '10m', thresholds: { iterations: ['count>0'] } };
export default function () { sleep(0.2); }
"""


def test_roles(lab):
    """A page offers what its reader may do, and nothing that it shows or asks for is refused."""
    fleet = lab.fleet("--token", "chosen")
    fleet.agent("us", "us-1")
    api = Api(fleet.url, "chosen")
    fleet.wait("an agent", lambda: api.get("/api/v1/agents").json["items"])
    tokens = {role: api.post("/api/v1/tokens", {"name": f"ana the {role}", "role": role}).json["token"]
              for role in ("viewer", "runner", "admin")}
    test = api.post("/api/v1/tests", {"name": "forever", "script": FOREVER}).json["id"]
    run = api.post("/api/v1/runs", {"test": test, "name": "For ever"}).json["id"]
    share = api.post(f"/api/v1/runs/{run}/shares", {}).json["token"]
    fleet.wait("the run", lambda: api.get(f"/api/v1/runs/{run}").json["phase"] == "running")
    browser = drive(lab, "roles.mjs", fleet.url, run, json.dumps({**tokens, "share": share}))
    finish(browser)
