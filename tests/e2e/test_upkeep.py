"""The controller's store over time: what is kept, copied, killed and full; and what the API says of the
controller, its regions and its agents."""
import random
import signal
import sqlite3
import subprocess
import time

from api_client import Api
from test_api import LOOP, PLAIN, counted
from test_fleet_faults import fill, mounted
from test_results import call, get


def check_whole(path):
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        return db.execute("SELECT count(*) FROM runs").fetchone()[0]


def regions_agents_and_the_controller(fleet):
    info = get(fleet, "info")
    assert info["caller"]["role"] == "admin" and info["store"]["bytes"] > 0 and info["store"]["problem"] is None
    assert (info["retention"], info["provisioners"]) == ({"runs_days": None, "bytes": None}, [])
    region = get(fleet, "regions/eu-central-1")
    assert (region["title"], region["latitude"], region["agents"]["ready"]) == ("Frankfurt", 50.1, 1), region
    status, problem = call(fleet, "GET", "regions/mars")
    assert status == 404 and "mars" in problem["detail"]
    status, mars = call(fleet, "PUT", "regions/mars", {"title": "Mars <b>", "latitude": -4.6, "longitude": 137.4})
    assert status == 200 and (mars["title"], mars["agents"]["ready"]) == ("Mars <b>", 0), mars
    status, mars = call(fleet, "PUT", "regions/mars", {"latitude": 4})
    assert (mars["title"], mars["latitude"], mars["longitude"]) == ("Mars <b>", 4, 137.4), mars
    assert [r["name"] for r in get(fleet, "regions")["items"]] == ["eu-central-1", "us", "mars"]
    for body, at in [({"latitude": 91}, "/latitude"), ({"longitude": "x"}, "/longitude"), ({"name": "x"}, "/name"),
                     ({"title": "x" * 101}, "/title")]:
        status, problem = call(fleet, "PUT", "regions/mars", body)
        assert status == 400 and problem["errors"][0]["at"] == at, (body, problem)
    assert call(fleet, "PUT", "regions/mars/scale", {"agents": 3})[0] == 422, "it has no provisioner"
    agent = get(fleet, "agents/us-1")
    assert (agent["region"], agent["state"], agent["vus"], agent["run"]) == ("us", "ready", 0, None), agent
    assert call(fleet, "GET", "agents/nobody")[0] == 404
    first = get(fleet, "agents", limit=1)
    rest = get(fleet, "agents", limit=1, cursor=first["next"])
    assert [a["id"] for a in first["items"] + rest["items"]] == ["eu-central-1-1", "us-1"] and rest["next"] is None
    assert [a["id"] for a in get(fleet, "agents", region="us", state="ready")["items"]] == ["us-1"]
    assert not get(fleet, "agents", state="stale")["items"]
    assert call(fleet, "GET", "agents?state=tired")[0] == 400


def test_what_is_kept(lab):
    """Old runs go, baselines stay; a copy is whole."""
    base = lab.shop()
    fleet = lab.fleet().with_regions(**{"us": 1, "eu-central-1": 1})
    regions_agents_and_the_controller(fleet)
    runs = []
    for _ in range(2):
        result = fleet.gale(lab.file("plain.js", PLAIN), "-e", f"BASE={base}", "--quiet")
        assert result.code == 0, result.text
        runs.append(fleet.run_id())
    assert call(fleet, "PUT", f"runs/{runs[0]}/baseline")[0] == 204
    copy = lab.dir / "copy.db"
    for _ in range(2):  # the second is refused: a copy takes nothing's place
        result = lab.gale("controller", "backup", copy, "--data", fleet.data)
        assert result.code == (255 if _ else 0), result.text
    assert "copy.db" in result.stderr and check_whole(copy) == 2
    assert lab.gale("controller", "backup", "--data", fleet.data).code != 0
    assert lab.gale("controller", "backup", lab.dir / "x.db", "--data", lab.dir / "none").code != 0
    fleet.args = ("--retain", "1s", "--retain-size", "1GB")
    fleet.restart(signal.SIGTERM)
    fleet.find("1 old run deleted")
    assert [r["id"] for r in get(fleet, "runs")["items"]] == [runs[0]]
    assert get(fleet, "info")["retention"] == {"runs_days": 1, "bytes": 10**9}
    for flag, value in [("--retain", "often"), ("--retain-size", "big"), ("--retain", "-1s")]:
        result = lab.gale("controller", f"{flag}={value}", "--data", lab.dir / "other")
        assert result.code == 104 and flag in result.stderr, result.text


def test_killed_at_any_point(lab):
    """Whenever it dies: the file is whole, and in the end each request is in it once."""
    base = lab.shop()
    fleet = lab.fleet().with_regions(us=1, eu=1)
    proc = fleet.start(lab.file("loop.js", LOOP), "-e", f"BASE={base}", "--regions", "us,eu", "--quiet")
    lab.closing.append(lambda: (proc.kill(), proc.communicate()))
    run = fleet.run_id()
    for i in range(3):
        if i < 2:
            time.sleep(random.random() * 2)
        else:  # whether its end was stored yet or not
            fleet.wait("the end", lambda: get(fleet, f"runs/{run}")["phase"] == "ended", 60)
        fleet.controller.kill()
        fleet.controller.wait()
        assert check_whole(fleet.data / "gale.db") <= 1
        fleet.restart()
    fleet.wait("the end", lambda: call(fleet, "GET", f"runs/{run}")[0] == 200 and
               get(fleet, f"runs/{run}")["phase"] == "ended", 60)
    total = get(fleet, f"runs/{run}")["totals"]["requests"]
    assert total >= 180 and counted(fleet, run, "http_reqs") == total
    assert get(fleet, f"runs/{run}/urls")["items"][0]["count"] == total
    assert [r["id"] for r in get(fleet, "runs")["items"]] == [run]


def test_disk_of_the_store_is_full(lab):
    """A clear answer; the test that runs goes on, and what it measured is stored when there is room."""
    base = lab.shop()
    folder = mounted(lab, "small", "4m")
    (lab.dir / "controller").mkdir()
    (lab.dir / "controller" / "gale.db").symlink_to(folder / "gale.db")
    fleet = lab.fleet().with_regions(us=1, eu=1)
    proc = fleet.start(lab.file("loop.js", LOOP), "-e", f"BASE={base}", "--regions", "us,eu", "--quiet")
    lab.closing.append(lambda: (proc.kill(), proc.communicate()))
    run = fleet.wait_phase("running")
    time.sleep(1)
    ballast = fill(folder)
    big = "//" + "x" * 100000
    status, problem = call(fleet, "POST", "tests", {"name": "x", "script": f"export default function () {{}} {big}"})
    assert (status, problem["type"]) == (507, "/problems/store-full") and "gale.db" in problem["detail"], problem
    fleet.wait("a problem", lambda: get(fleet, "info")["store"]["problem"])
    ready = Api(fleet.url).get("/readyz")
    assert ready.status == 503 and int(ready.headers["Retry-After"]) > 0, ready.headers
    assert proc.wait(timeout=60) == 0, proc.stderr.read()
    shown = get(fleet, f"runs/{run}")
    assert (shown["phase"], shown["result"]) == ("ended", "passed"), shown
    ballast.unlink()
    fleet.wait("all of it", lambda: counted(fleet, run, "http_reqs") == shown["totals"]["requests"])
    fleet.wait("it is ready", lambda: call(fleet, "GET", "/readyz")[0] == 200)
    assert call(fleet, "POST", "tests", {"name": "x"})[0] == 201
    fleet.restart(signal.SIGTERM)
    assert get(fleet, f"runs/{run}")["result"] == "passed"
    fleet.controller.send_signal(signal.SIGTERM)
    fleet.controller.wait()
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    result = lab.gale("controller", "--data", fleet.data, "--nats-listen", "127.0.0.1:0", "--listen", "127.0.0.1:0")
    assert result.code == 104 and "gale.db: it can't be written" in result.stderr, result.text
