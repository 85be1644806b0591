"""gale fleet: each of its verbs as a table, as JSON, and when something is wrong. And a controller that is
asked to end while a test runs."""
import json
import signal
import subprocess

from api_client import Api
from test_api import counted
from test_results import get
from test_spread import counted_if_any

LINES = """
import http from 'k6/http';
export const options = { scenarios: { s: { executor: 'constant-arrival-rate', rate: 100,
  duration: '6s', preAllocatedVUs: 20, maxVUs: 60, gracefulStop: '5s' } } };
export default function () { http.get(`${__ENV.BASE}/products`); console.log(`line ${__ITER} of ${__VU}`); }
"""
ENDLESS = """
import { sleep } from 'k6';
export const options = { vus: 1, duration: '10m' };
export default function () { sleep(0.1); }
"""


def asks(lab, fleet):
    def ask(*words, code=0):
        result = lab.gale("fleet", *words, "--fleet", fleet.url)
        assert result.code == code, (words, result.text)
        return result.stdout if code == 0 else result.stderr
    return ask


def tables_and_json(ask, run):
    """What is shown as a table is in the JSON, which is the API's."""
    for words, shown, key in ((("agents",), "us-1", "id"), (("regions",), "us", "name"), (("runs",), run, "id")):
        text = ask(*words)
        assert shown in text and not text.startswith("{"), text
        items = json.loads(ask(*words, "--json"))["items"]
        assert shown in [item[key] for item in items], items
    assert json.loads(ask("show", run))["id"] == run == json.loads(ask("show", run, "--json"))["id"]


def errors(lab, fleet, ask):
    for words, said in ((("show", "none"), "none"), (("stop", "01hs4m8vz6d1"), "01hs4m8vz6d1"),
                        (("show", "../../tests"), "no such page"), (("logs", "a b?c#d"), "is no name"),
                        (("scale", "us=many"), "REGION=N"), (("scale", "us=1"), "starts no agents"),
                        (("spread", "01hs4m8vz6d1", "us=60%,eu=50%"), "add up to 110"),
                        (("spread", "01hs4m8vz6d1", "us/2"), "01hs4m8vz6d1")):
        text = ask(*words, code=255)
        assert said in text and "level=error" in text, (words, text)
    for words, said in (((), "what is wanted"), (("agent",), "did you mean agents"), (("show",), "gale fleet show RUN"),
                        (("agents", "x"), "gale fleet agents"), (("spread", "x"), "gale fleet spread RUN REGIONS")):
        assert said in ask(*words, code=104), words
    away = lab.gale("fleet", "agents", "--fleet", "http://127.0.0.1:1")
    assert away.code == 255 and "no answer from the controller" in away.stderr, away.text
    usage = lab.gale("fleet", "--help")
    assert usage.code == 0 and all(verb in usage.stdout for verb in (
        "agents", "regions", "runs", "show RUN", "stop RUN", "logs RUN", "spread RUN REGIONS", "scale REGION=N"))


def test_verbs(lab):
    base = lab.shop()
    fleet = lab.fleet().with_regions(us=1, eu=1)
    ask = asks(lab, fleet)
    result = fleet.gale(lab.file("lines.js", LINES), "-e", f"BASE={base}", "--regions", "us", "--quiet")
    assert result.code == 0, result.text
    run = fleet.run_id()
    fleet.wait("it is stored", lambda: get(fleet, f"runs/{run}")["phase"] == "ended")
    tables_and_json(ask, run)
    lines = [line for line in ask("logs", run).splitlines() if "line" in line]
    made = counted(fleet, run, "iterations")
    assert len(lines) == made > 500, (len(lines), made)  # more than a page has
    assert len(json.loads(ask("logs", run, "--json"))["items"]) >= made
    errors(lab, fleet, ask)
    proc = fleet.start(lab.file("endless.js", ENDLESS), "--regions", "eu", "--quiet")
    lab.closing.append(lambda: (proc.kill(), proc.communicate()))
    fleet.wait("another run", lambda: fleet.run_id() != run)
    running = fleet.wait_phase("running")
    assert ask("stop", running) == "done\n"
    assert proc.wait(30) == 105, proc.stderr.read()
    assert "eu" in ask("regions") and running in ask("runs")


def test_controller_ends_when_it_is_asked_to(lab):
    """By SIGTERM, while a test runs: its streams end, it exits with 0, agents go on, and the next one takes
    the run up. Its log is JSON, a line each."""
    base = lab.shop()
    fleet = lab.fleet("--log-format", "json")
    fleet.with_regions(us=1)
    proc = fleet.start(lab.file("lines.js", LINES), "-e", f"BASE={base}", "--regions", "us", "--quiet")
    lab.closing.append(lambda: (proc.kill(), proc.communicate()))
    run = fleet.wait_phase("running")
    follower = subprocess.Popen(["curl", "-sN", f"{fleet.url}/api/v1/runs/{run}/live"], stdout=subprocess.DEVNULL)
    lab.closing.append(lambda: (follower.kill(), follower.wait()))
    fleet.controller.send_signal(signal.SIGTERM)
    assert fleet.controller.wait(20) == 0, fleet.log("controller")
    follower.wait(20)
    fleet.restart()
    assert proc.wait(60) == 0, proc.stderr.read()
    fleet.wait("the end", lambda: Api(fleet.url).get(f"/api/v1/runs/{run}").json["phase"] == "ended")
    assert counted(fleet, run, "iterations") + counted_if_any(fleet, run, "dropped_iterations") == 601
    lines = [json.loads(line) for line in fleet.log("controller").splitlines()]
    assert all({"time", "level", "msg"} <= set(line) for line in lines), lines
    assert any(run in line["msg"] for line in lines), lines
