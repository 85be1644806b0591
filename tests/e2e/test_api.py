"""The controller's API over its store: what runs measured outlives the controller."""
import signal
import urllib.error

PLAIN = """
import http from 'k6/http';
export const options = { vus: 4, iterations: 40, thresholds: { http_req_failed: ['rate<0.5'] } };
export default function () { http.get(`${__ENV.BASE}/products`); console.log('said'); }
"""

LOOP = """
import http from 'k6/http';
export const options = { scenarios: { s: { executor: 'constant-arrival-rate', rate: 30,
  duration: '6s', preAllocatedVUs: 20, maxVUs: 40, gracefulStop: '2s' } } };
export default function () { http.get(`${__ENV.BASE}/products`); }
"""


def counted(fleet, run, metric):
    series = fleet.get(f"/api/v1/runs/{run}/series?metric={metric}&agg=count")
    return sum(v for v in series["values"][0] if v is not None)


def status_of(fleet, path):
    try:
        fleet.get(path)
    except urllib.error.HTTPError as e:
        return e.code
    return 200


def test_runs_outlive_the_controller(lab):
    base = lab.shop()
    fleet = lab.fleet().with_regions(us=1, eu=1)
    result = fleet.gale(lab.file("plain.js", PLAIN), "-e", f"BASE={base}", "--regions", "us,eu")
    assert result.code == 0, result.text
    run = fleet.run_id()
    tests = fleet.wait("the run in the store", lambda: fleet.get("/api/v1/tests")["items"])
    assert (tests[0]["name"], tests[0]["latest_version"]) == ("plain.js", 1), tests
    summary = fleet.get(f"/api/v1/runs/{run}/summary?format=text")
    fleet.restart(signal.SIGTERM)
    listed = fleet.get("/api/v1/runs")
    assert [r["id"] for r in listed["items"]] == [run] and listed["next"] is None
    shown = fleet.get(f"/api/v1/runs/{run}")
    assert (shown["phase"], shown["result"], shown["exit_code"]) == ("ended", "passed", 0)
    assert shown["test"]["name"] == "plain.js" and shown["test"]["version"] == 1
    assert {r["region"] for r in shown["regions"]} == {"us", "eu"}
    assert fleet.get(f"/api/v1/runs/{run}/summary?format=text") == summary and "http_reqs" in summary
    assert fleet.get(f"/api/v1/runs/{run}/export/summary")["metrics"]["http_reqs"]["count"] == 40
    threshold = fleet.get(f"/api/v1/runs/{run}/thresholds")["items"][0]
    assert (threshold["ok"], threshold["unit"], threshold["crossed_at_second"],
            threshold["source"]) == (True, "ratio", None, "script"), threshold
    assert counted(fleet, run, "http_reqs") == 40
    by = fleet.get(f"/api/v1/runs/{run}/series?metric=http_req_duration&agg=p(95)&by=region")
    assert {c["by"] for c in by["columns"]} == {"us", "eu"} and by["unit"] == "ms"
    metrics = {m["name"]: m for m in fleet.get(f"/api/v1/runs/{run}/metrics")["items"]}
    assert metrics["http_reqs"]["type"] == "counter"
    assert set(metrics["http_reqs"]["tags"]["load_zone"]) == {"us", "eu"}
    logs = fleet.get(f"/api/v1/runs/{run}/logs?limit=30")
    assert len(logs["items"]) == 30 and logs["next"]
    rest = fleet.get(f"/api/v1/runs/{run}/logs?limit=30&cursor={logs['next']}")
    ids = [line["id"] for line in logs["items"] + rest["items"]]
    assert len(ids) == len(set(ids)) == 40 and rest["next"] is None
    assert fleet.get(f"/api/v1/runs/{run}/events")["items"][0]["kind"]
    test = shown["test"]["id"]
    assert fleet.get(f"/api/v1/tests/{test}")["last_run"]["id"] == run
    version = fleet.get(f"/api/v1/tests/{test}/versions/latest")
    assert version["kind"] == "archive" and version["bytes"] > 0
    for path, status in {"runs/none": 404, f"runs/{run}/series": 400, "tests/none": 404,
                         f"runs/{run}/series?metric=none": 404,
                         f"runs/{run}/series?metric=http_reqs&agg=p(95)": 400,
                         f"runs/{run}/logs?cursor=x": 400, "runs?limit=9999": 400, "runs?limit=0": 400,
                         "runs?phase=ended,over": 400, "runs?phase=ended&phase=running": 200,
                         "runs?result=fine": 400, f"runs/{run}/logs?source=stderr": 400,
                         f"runs/{run}/exemplars?kind=fast": 400, f"runs/{run}/exemplars?limit=0": 400,
                         f"tests/{test}/versions/9": 404, f"tests/{test}/versions/x": 404}.items():
        assert status_of(fleet, f"/api/v1/{path}") == status, path
