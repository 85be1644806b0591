"""A running test's load is spread anew: over more agents, and by other shares, without a gap."""
import json
import signal

from api_client import Api
from test_api import counted
from test_results import get

WAITS = True
ARRIVALS = """
import http from 'k6/http';
import exec from 'k6/execution';
import { sleep } from 'k6';
export const options = { scenarios: {
    arrivals: { executor: 'constant-arrival-rate', rate: 20, duration: '8s', preAllocatedVUs: 10,
                maxVUs: 20, gracefulStop: '2s' },
    loops: { executor: 'constant-vus', vus: 6, duration: '8s', gracefulStop: '1s', exec: 'loop' },
} };
export default function () {
    http.get(`${__ENV.BASE}/products`);
    console.log(`number ${exec.scenario.iterationInTest}`);
}
export function loop() {
    http.get(`${__ENV.BASE}/cart?${exec.scenario.iterationInTest}`);
    sleep(0.2);
}
"""
COUNTED = """
import { sleep } from 'k6';
export const options = { vus: 2, iterations: 100000 };
export default function () { sleep(0.01); }
"""


def regions_of(fleet, run):
    return {r["region"]: (round(r["share"]), r["agents"]) for r in get(fleet, f"runs/{run}")["regions"]}


def refused(api, run, regions, status, words):
    answer = api.post(f"/api/v1/runs/{run}/scale", {"regions": regions})
    assert answer.status == status and words in answer.json["detail"], (regions, answer)


def check_refusals(api, run):
    refused(api, run, [{"region": "eu", "agents": 1}], 400, "eu is not in the run")
    refused(api, run, [{"region": "us", "share": 100}], 400, "de, which is in the run")
    refused(api, run, [{"region": "us", "share": 60}, {"region": "de", "share": 50}], 400, "add up to 110")
    refused(api, run, [{"region": "us", "vus": 5}, {"region": "de", "vus": 5}], 400, "the VUs add up to 10")
    refused(api, run, [{"region": "us", "agents": 9}], 422, "2 of the 9 asked for idle")
    refused(api, run, [{"region": "us", "share": 50}, {"region": "de", "share": 20}, {"region": "mars", "share": 30}],
            422, "mars has no agents")
    refused(api, run, [], 400, "regions")
    refused(api, "01hs4m8vz6d1", [{"region": "us"}], 404, "01hs4m8vz6d1")


def test_load_is_spread_anew(lab):
    base = lab.shop()
    fleet = lab.fleet().with_regions(us=1, de=1)
    api = Api(fleet.url)
    proc = fleet.start(lab.file("arrivals.js", ARRIVALS), "-e", f"BASE={base}", "--regions", "us=50%,de=50%")
    lab.closing.append(lambda: (proc.kill(), proc.communicate()))
    run = fleet.wait_phase("running")
    fleet.agent("us", "us-2")
    fleet.agent("eu", "eu-1")
    fleet.wait_ready(2)
    check_refusals(api, run)
    # One agent more in us: de goes on as it is.
    plan = lab.gale("fleet", "spread", run, "us/2", "--fleet", fleet.url, "--json")
    assert plan.code == 0, plan.text
    regions = {r["region"]: r for r in json.loads(plan.stdout)["regions"]}
    assert [len(regions[r]["agents"]) for r in ("us", "de")] == [2, 1], regions
    refused(api, run, [{"region": "us", "agents": 1}], 409, "being moved already")
    fleet.wait("it is spread", lambda: regions_of(fleet, run) == {"us": (50, 2), "de": (50, 1)})
    moved = fleet.wait("its events", lambda: [
        e["message"] for e in get(fleet, f"runs/{run}/events")["items"] if e["kind"] == "load-moved"])
    assert len(moved) == 2 and all("on us-" in m for m in moved), moved
    # Other shares, and a region more.
    plan = lab.gale("fleet", "spread", run, "us=40%/2,de=20%,eu=40%", "--fleet", fleet.url)
    assert plan.code == 0 and "eu-1" in plan.stdout, plan.text
    fleet.wait("it is spread", lambda: regions_of(fleet, run) == {"us": (40, 2), "de": (20, 1), "eu": (40, 1)})
    assert proc.wait(60) == 0, proc.stderr.read()
    check_sums(fleet, run)
    refused(api, run, [{"region": "us", "agents": 1}], 409, "has ended")


def check_sums(fleet, run):
    """Each arrival that was due was made once or dropped and counted, under a number of its own."""
    dropped = counted_if_any(fleet, run, "dropped_iterations")
    arrivals = counted(fleet, run, "iterations&tag=scenario:arrivals")
    assert arrivals + dropped == 161, (arrivals, dropped)
    numbers = []
    cursor = ""
    while cursor is not None:
        page = get(fleet, f"runs/{run}/logs", limit=500, q="number", **({"cursor": cursor} if cursor else {}))
        numbers += [line["message"].split("number ")[1].split('"')[0] for line in page["items"]]
        cursor = page["next"]
    assert len(numbers) == len(set(numbers)), sorted(numbers)
    by = get(fleet, f"runs/{run}/series", metric="iterations", agg="count", by="region")
    assert {c["by"] for c in by["columns"]} == {"us", "de", "eu"}, by["columns"]
    vus = get(fleet, f"runs/{run}/series", metric="vus", agg="max")
    assert max(v for v in vus["values"][0] if v is not None) <= 2 * 16, vus


def counted_if_any(fleet, run, metric):
    names = {m["name"] for m in fleet.get(f"/api/v1/runs/{run}/metrics")["items"]}
    return counted(fleet, run, metric) if metric in names else 0


def test_what_cannot_be_spread(lab):
    """A number of iterations. And whatever an agent dies of meanwhile, the sums hold."""
    base = lab.shop()
    fleet = lab.fleet().with_regions(us=1)
    api = Api(fleet.url)
    proc = fleet.start(lab.file("counted.js", COUNTED), "--regions", "us")
    run = fleet.wait_phase("running")
    refused(api, run, [{"region": "us", "agents": 1}], 409, "number of iterations")
    proc.send_signal(signal.SIGINT)
    proc.communicate(timeout=60)
    fleet.wait_ready(1)
    proc = fleet.start(lab.file("arrivals.js", ARRIVALS), "-e", f"BASE={base}", "--regions", "us")
    lab.closing.append(lambda: (proc.kill(), proc.communicate()))
    fleet.wait("another run", lambda: fleet.run_id() != run)
    run = fleet.wait_phase("running")
    other = fleet.agent("us", "us-2")
    fleet.wait_ready(1)
    answer = api.post(f"/api/v1/runs/{run}/scale", {"regions": [{"region": "us", "agents": 2}]})
    assert answer.status == 202, answer
    other.kill()  # before it has taken over, or after
    assert proc.wait(60) == 0, proc.stderr.read()
    assert counted(fleet, run, "iterations&tag=scenario:arrivals") + counted_if_any(
        fleet, run, "dropped_iterations") == 161
