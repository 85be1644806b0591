"""Tests, versions, plans and runs over the API, as the dashboard's editor uses it."""
import json
import re
import shutil

from test_results import call, get

SCRIPT = """
import http from 'k6/http';
export const options = {
  vus: 4, duration: '30s', tags: { from: 'script' },
  thresholds: { http_req_failed: ['rate<0.5'], http_req_duration: ['p(95)<60000'] },
  cloud: { distribution: { a: { loadZone: 'us', percent: 50 }, b: { loadZone: 'eu', percent: 50 } } },
};
export default function () { http.get(`${__ENV.BASE}/products?k=${__ENV['API_KEY']}`); }
"""
BROKEN = "import http from 'k6/http';\n\nexport default function ( { http.get('x'); }\n"
JS = "text/javascript"


def post(fleet, path, body, kind="application/json", status=201, headers=None):
    got, answer = call(fleet, "POST", path, body, kind, headers)
    assert got == status, (path, got, answer)
    return answer


def tests_and_versions(fleet):
    test = post(fleet, "tests", {"name": "Checkout", "labels": {"team": "shop"}, "script": SCRIPT,
                                 "filename": "checkout.js"})
    assert (test["name"], test["latest_version"], test["labels"]) == ("Checkout", 1, {"team": "shop"})
    path = f"tests/{test['id']}"
    version = get(fleet, f"{path}/versions/1")
    found = version["found"]
    assert (version["kind"], version["filename"], found["max_vus"]) == ("script", "checkout.js", 4)
    assert found["env_names"] == ["BASE", "API_KEY"] and found["modules"] == ["k6/http"]
    assert found["distribution"] == [{"region": "us", "share": 50}, {"region": "eu", "share": 50}]
    assert (found["scenarios"][0]["executor"], found["duration_seconds"]) == ("constant-vus", 60)
    assert get(fleet, f"{path}/versions/latest/content") == SCRIPT
    same = post(fleet, f"{path}/versions?filename=checkout.js", SCRIPT.encode(), JS, 200)
    assert same["version"] == 1, "the same bytes are no new version"
    typed = post(fleet, f"{path}/versions?filename=checkout.ts",
                 b"export default function (): void { const n: number = 1; }\n", "text/typescript")
    assert (typed["version"], typed["filename"]) == (2, "checkout.ts")
    assert [v["version"] for v in get(fleet, f"{path}/versions")["items"]] == [2, 1]
    assert get(fleet, "tests", label="team:shop")["items"][0]["id"] == test["id"]
    assert not get(fleet, "tests", label="team:other")["items"]
    status, changed = call(fleet, "PATCH", path, {"description": "Pay", "labels": {"market": "eu"}})
    assert status == 200 and (changed["name"], changed["description"]) == ("Checkout", "Pay")
    assert changed["labels"] == {"market": "eu"}
    return test["id"]


def what_is_wrong_is_said(fleet, test):
    """Each with its status, and the place of the error where the body has one."""
    for path in ("inspect?filename=a.js", f"tests/{test}/versions?filename=a.js"):
        problem = post(fleet, path, BROKEN.encode(), JS, 422)
        script = problem["script"]
        assert (script["file"], script["line"]) == ("a.js", 3) and script["column"] > 0, problem
        assert script["excerpt"].startswith("export default") and "SyntaxError" in problem["detail"]
        assert "gale-upload" not in str(problem) and "/tmp" not in str(problem), problem
    problem = post(fleet, "tests", {"name": "x", "script": BROKEN}, status=422)
    assert problem["script"]["file"] == "script.js"
    for body, at in [({}, "/name"), ({"name": ""}, "/name"), ({"name": 3}, "/name"), ({"name": "x" * 201}, "/name"),
                     ({"name": "x", "colour": "red"}, "/colour"), ({"name": "x", "labels": {"a": 1}}, "/labels"),
                     ({"name": "x", "script": SCRIPT, "filename": "../x.js"}, "/filename")]:
        problem = post(fleet, "tests", body, status=400)
        assert problem["errors"][0]["at"] == at, (body, problem)
    plan = {"test": test, "version": 1}
    for change, at in [({"regions": [{"region": "us", "share": 60}, {"region": "eu", "share": 50}]}, "/regions"),
                       ({"regions": [{"region": "us,eu=50"}]}, "/regions"), ({"regions": [{"share": 5}]}, "/regions"),
                       ({"regions": [{"region": "us", "share": 50, "vus": 5}]}, "/regions"), ({"load": "some"}, "/load"),
                       ({"version": 0}, "/version"), ({"env": {"A=B": "c"}}, "/env"), ({"thresholds": {"x": "y"}}, "/thresholds")]:
        problem = post(fleet, "plans", {**plan, **change}, status=400)
        assert problem["errors"][0]["at"] == at, (change, problem)
    assert "110" in post(fleet, "plans", {**plan, "regions": [
        {"region": "us", "share": 60}, {"region": "eu", "share": 50}]}, status=400)["detail"]
    assert post(fleet, "tests", b"{", status=400)["type"] == "/problems/invalid-request"
    assert post(fleet, f"tests/{test}/versions", b"x", "image/png", 415)["type"].endswith("unsupported-media-type")
    post(fleet, "tests/000000000000/versions", SCRIPT.encode(), JS, 404)
    post(fleet, "runs", {"test": "000000000000"}, status=404)
    post(fleet, "runs", {"test": test, "version": 9}, status=404)
    problem = post(fleet, "runs", {**plan, "options": {"vus": "many"}}, status=422)
    assert "vus" in problem["detail"], problem
    problem = post(fleet, "plans", {**plan, "regions": [{"region": "us"}, {"region": "mars"}]}, status=422)
    assert [(r["region"], r["reason"]) for r in problem["refusal"]] == [("mars", "no_agents")], problem
    problem = post(fleet, "plans", {**plan, "options": {"vus": 10**6, "duration": "1s"}}, status=422)
    assert {r["reason"] for r in problem["refusal"]} == {"capacity"}, problem


def plans_are_previews(fleet, test):
    plan = post(fleet, "plans", {"test": test, "version": 1}, status=200)
    assert [(r["region"], r["share"], r["max_vus"]) for r in plan["regions"]] == [("us", 50, 2), ("eu", 50, 2)], plan
    third = {"load": "total", "regions": [{"region": "us", "share": 66.67}, {"region": "eu", "share": 33.34}]}
    assert post(fleet, "plans", {"test": test, "version": 1, **third}, status=200)["max_vus"] == 4
    assert not get(fleet, "runs")["items"], "nothing was started"


def test_from_a_script_to_a_run(lab):
    base = lab.shop()
    fleet = lab.fleet().with_regions(us=1, eu=1)
    test = tests_and_versions(fleet)
    what_is_wrong_is_said(fleet, test)
    plans_are_previews(fleet, test)
    wanted = {"test": test, "version": 1, "name": "Nightly", "notes": "n", "labels": {"branch": "main"},
              "regions": [{"region": "us", "share": 75}, {"region": "eu", "share": 25}],
              "env": {"BASE": base, "API_KEY": "k1"}, "tags": {"release": "7"},
              "options": {"iterations": 40, "vus": 4},
              "thresholds": {"http_req_duration": [], "http_reqs{release:7}": ["count==40"]}}
    run = post(fleet, "runs", wanted)
    path = f"runs/{run['id']}"
    assert run["test"] == {"id": test, "name": "Checkout", "version": 1} and run["name"] == "Nightly"
    assert (run["env"], run["tags"]) == ({"BASE": base, "API_KEY": "***"}, {"release": "7"}), run
    status, answer = call(fleet, "DELETE", path)
    assert status == 409 and answer["type"] == "/problems/run-active", answer
    assert call(fleet, "DELETE", f"tests/{test}")[0] == 409
    ended = fleet.wait("the end", lambda: get(fleet, path)["phase"] == "ended" and get(fleet, path))
    assert (ended["result"], ended["totals"]["requests"], ended["labels"]) == ("passed", 40, {"branch": "main"}), ended
    assert {(t["metric"], t["source"]) for t in get(fleet, f"{path}/thresholds")["items"]} == {
        ("http_req_failed", "script"), ("http_reqs{release:7}", "run")}
    tags = {m["name"]: m["tags"] for m in get(fleet, f"{path}/metrics")["items"]}["http_reqs"]
    assert tags["release"] == ["7"] and tags["from"] == ["script"], tags
    assert sorted(r["max_vus"] for r in ended["regions"]) == [1, 3], ended["regions"]
    again = post(fleet, f"{path}/rerun", {"labels": {}, "load": "per-region",
                                          "regions": [{"region": "us"}, {"region": "eu"}]})
    assert (again["rerun_of"], again["name"], again["load"], again["labels"]) == (run["id"], "Nightly", "per-region", {})
    second = f"runs/{again['id']}"
    fleet.wait("the end", lambda: get(fleet, second)["phase"] == "ended")
    assert get(fleet, second)["totals"]["requests"] == 80
    assert call(fleet, "POST", f"{second}/stop", {})[0] == 202, "it has ended: no error"
    for i in range(2):  # from memory, then from the store alone
        status, changed = call(fleet, "PATCH", path, {"notes": f"seen {i}", "labels": {"x": str(i)}})
        assert status == 200 and (changed["notes"], changed["labels"]) == (f"seen {i}", {"x": str(i)})
        assert call(fleet, "PUT", f"{path}/baseline")[0] == 204
        assert get(fleet, f"tests/{test}")["baseline"] == run["id"] and get(fleet, path)["is_baseline"]
        assert get(fleet, f"{second}/compare")["base"] == run["id"]
        assert [r["id"] for r in get(fleet, "runs", label=f"x:{i}")["items"]] == [run["id"]]
        assert call(fleet, "DELETE", f"{path}/baseline")[0] == 204
        assert get(fleet, f"tests/{test}")["baseline"] is None
        if i == 0:
            fleet.restart()
    stream = get(fleet, f"{path}/live")  # of one that has left the controller's memory
    events = re.findall("^event: (.*)\ndata: (.*)$", stream, re.M)
    assert [e for e, _ in events] == ["snapshot", "end"], stream[:500]
    snapshot, end = (json.loads(data) for _, data in events)
    assert end["result"] == "passed" and end["id"] == snapshot["run"]["id"] == run["id"]
    assert set(snapshot["series"]["regions"]) == {"us", "eu"} and len(snapshot["thresholds"]["items"]) == 2
    assert {a["id"] for a in snapshot["agents"]["items"]} == {"us-1", "eu-1"} and snapshot["events"]
    assert get(fleet, path)["notes"] == "seen 1" and get(fleet, second)["rerun_of"] == run["id"]
    assert call(fleet, "DELETE", second)[0] == 204 and call(fleet, "GET", second)[0] == 404
    assert call(fleet, "DELETE", f"tests/{test}")[0] == 204 and call(fleet, "GET", path)[0] == 404
    assert not get(fleet, "runs")["items"] and not get(fleet, "tests")["items"]


def test_the_binary_is_replaced(lab):
    """An upgrade takes the file away under a controller that runs: it goes on to read scripts."""
    copy = lab.dir / "gale"
    shutil.copy(lab.binary, copy)
    lab.binary = copy
    fleet = lab.fleet()
    copy.unlink()
    assert post(fleet, "inspect?filename=a.js", SCRIPT.encode(), JS, 200)["max_vus"] == 4
