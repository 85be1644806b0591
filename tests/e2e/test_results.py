"""What a run measured, over the API: while it runs and from the store."""
import concurrent.futures
import json
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree

SCRIPT = """
import http from 'k6/http';
import { check, group, sleep } from 'k6';
export const options = {
  scenarios: { s: { executor: 'shared-iterations', vus: 6, iterations: 60 } },
  thresholds: { http_req_failed: ['rate<0.01'], 'http_req_duration{load_zone:eu}': ['p(95)<60000'] },
};
export default function () {
  group('buy', () => {
    check(http.get(`${__ENV.BASE}/products`), { 'is 200': (r) => r.status === 200 });
    check(http.get(`${__ENV.BASE}/nowhere`), { 'is there': (r) => r.status === 200 });
  });
  console.log(`cart ${__ITER}`);
  if (__ITER === 0) console.error('first');
  sleep(0.15);
}
"""


def call(fleet, method, path, body=None, kind="application/json", headers=None):
    """(status, the answer as JSON, or its text). A path without a slash in front is the API's."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(fleet.url + (path if path.startswith("/") else f"/api/v1/{path}"), data, method=method,
                                     headers={**({"Content-Type": kind} if data else {}), **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as e:
        status, text = e.code, e.read()
    return status, json.loads(text) if text.startswith((b"{", b"[")) else text.decode()


def get(fleet, path, **query):
    status, answer = call(fleet, "GET", path + "?" + urllib.parse.urlencode(query, doseq=True))
    assert status == 200, (path, query, answer)
    return answer


def tables_are_right(fleet, run):
    urls = get(fleet, f"runs/{run}/urls", by="region")
    rows = [u for u in urls["items"] if u["region"] is None]
    assert urls["total"] == len(rows) == 2, urls
    assert {(u["method"], u["status"], u["count"]) for u in rows} == {("GET", "200", 60), ("GET", "404", 60)}
    assert sum(u["count"] for u in urls["items"] if u["region"]) == 120, urls
    first = get(fleet, f"runs/{run}/urls", sort="name", limit=1)
    assert first["total"] == 2 and [u["name"].rsplit("/")[-1] for u in first["items"]] == ["nowhere"]
    eu = get(fleet, f"runs/{run}/urls", region="eu", sort="-failed")
    assert eu["items"][0]["status"] == "404" and 0 < eu["items"][0]["count"] < 60
    (error,) = get(fleet, f"runs/{run}/errors")["items"]
    assert (error["error_code"], error["status"], error["count"]) == ("1404", "404", 60), error
    assert set(error["regions"]) == {"us", "eu"} and sum(error["regions"].values()) == 60
    checks = {c["name"]: c for c in get(fleet, f"runs/{run}/checks")["items"]}
    assert (checks["is 200"]["passes"], checks["is there"]["fails"]) == (60, 60), checks
    assert checks["is 200"]["group"] == "::buy" and set(checks["is 200"]["regions"]) == {"us", "eu"}


def summary_is_right(fleet, run):
    summary = get(fleet, f"runs/{run}/summary", trend_stats="avg,p(99.9)")
    metrics = {m["name"]: m for m in summary["metrics"]}
    duration = metrics["http_req_duration"]
    assert set(duration["overall"]) == {"avg", "p(99.9)", "count"} and duration["overall"]["count"] == 120
    assert metrics["http_req_failed"]["overall"]["passes"] == 60
    assert metrics["http_reqs"]["overall"]["count"] == 120
    sub = metrics["http_req_duration{load_zone:eu}"]["overall"]
    assert sub == duration["regions"]["eu"], (sub, duration)
    vus = metrics["vus_max"]
    assert vus["overall"]["max"] == sum(r["max"] for r in vus["regions"].values()) == 6, vus


def lists_are_right(fleet, run):
    thresholds = get(fleet, f"runs/{run}/thresholds")["items"]
    assert [(t["metric"], t["ok"], t["unit"]) for t in thresholds] == [
        ("http_req_failed", False, "ratio"), ("http_req_duration{load_zone:eu}", True, "ms")], thresholds
    assert thresholds[0]["crossed_at_second"] is not None and thresholds[1]["crossed_at_second"] is None
    agents = get(fleet, f"runs/{run}/agents")["items"]
    assert {(a["id"], a["region"], a["state"]) for a in agents} == {
        ("us-1", "us", "done"), ("eu-1", "eu", "done")}, agents
    assert all(a["windows_lost"] == 0 and a["last_window_second"] is not None for a in agents), agents
    plan = get(fleet, f"runs/{run}/plan")
    assert [(r["region"], r["share"], r["max_vus"], r["segment"]) for r in plan["regions"]] == [
        ("us", 50, 3, "0:1/2"), ("eu", 50, 3, "1/2:1")], plan
    assert plan["regions"][0]["agents"][0]["id"] == "us-1" and len(plan["warnings"]) == 2
    errors = get(fleet, f"runs/{run}/logs", level="error")["items"]
    assert errors and all(line["level"] == "error" for line in errors)
    ours = get(fleet, f"runs/{run}/logs", q="CART 5", region=["eu", "us"], order="asc", source="console")["items"]
    assert ours and all("cart 5" in line["message"] for line in ours), ours
    assert not get(fleet, f"runs/{run}/logs", region="mars")["items"]
    newest = get(fleet, f"runs/{run}/logs", limit=1)
    older = get(fleet, f"runs/{run}/logs", limit=1, cursor=newest["next"])
    assert older["items"][0]["id"] < newest["items"][0]["id"]
    phases = get(fleet, f"runs/{run}/events", kind="phase,note")["items"]
    assert phases and all(e["kind"] in ("phase", "note") for e in phases)
    again = get(fleet, f"runs/{run}/events", kind=["phase", "note"])["items"]
    assert again == phases, "repeated or with a comma"
    slow = {x["region"] for x in get(fleet, f"runs/{run}/exemplars", region=["us", "eu"], limit=500)["items"]}
    assert slow == {"us", "eu"}, slow
    assert {x["region"] for x in get(fleet, f"runs/{run}/exemplars", region=["mars", "eu"])["items"]} == {"eu"}
    series = get(fleet, f"runs/{run}/series", metric="http_reqs", agg=["count", "rate"],
                 tag=["status:404", "load_zone:eu"])
    assert [c["agg"] for c in series["columns"]] == ["count", "rate"]
    assert 0 < sum(v or 0 for v in series["values"][0]) < 60


def files_are_whole(fleet, run):
    lines = [line.split(",") for line in get(fleet, f"runs/{run}/export/csv", step=600).splitlines()]
    assert lines[0] == "second,region,metric,type,count,rate,avg,min,med,max,p90,p95,p99,value".split(",")
    rows = {(r[2], r[1]): dict(zip(lines[0], r)) for r in lines[1:]}
    assert sum(int(rows["http_reqs", region]["count"]) for region in ("us", "eu")) == 120
    duration = rows["http_req_duration", "eu"]
    assert float(duration["min"]) <= float(duration["p95"]) <= float(duration["max"]) and not duration["value"]
    assert rows["vus", "us"]["type"] == "gauge" and rows["vus", "us"]["value"], rows["vus", "us"]
    suites = xml.etree.ElementTree.fromstring(get(fleet, f"runs/{run}/export/junit"))
    assert (suites.get("tests"), suites.get("failures")) == ("4", "1"), suites.attrib
    (failure,) = suites.findall("./testsuite[@name='thresholds']/testcase/failure")
    assert failure.get("message") == "rate is 0.5 ratio", failure.attrib
    assert [c.find("system-out").text for c in suites.findall("./testsuite[@name='checks']/testcase")] == [
        "60 passed, 0 failed", "0 passed, 60 failed"]


def refusals_are_clear(fleet, run):
    for path, status, says in [
            (f"runs/{run}/urls?sort=size", 400, "sort"), (f"runs/{run}/urls?by=zone", 400, "by"),
            (f"runs/{run}/summary?trend_stats=rate", 400, "trend_stats"),
            (f"runs/{run}/logs?level=loud", 400, "level"), (f"runs/{run}/errors?from=5&to=5", 400, "to"),
            (f"runs/{run}/series?metric=http_reqs&tag=status", 400, "key:value"),
            (f"runs/{run}/compare", 400, "baseline"), (f"runs/{run}/compare?with=000000000000", 404, "000000000000"),
            ("runs?label=x", 400, "label"), (f"runs/{run}/export/pdf", 404, "pdf")] + [
            (f"runs/000000000000{what}", 404, "000000000000") for what in (
                "", "/plan", "/urls", "/errors", "/checks", "/agents", "/thresholds", "/events", "/logs", "/summary")]:
        got, answer = call(fleet, "GET", path)
        assert got == status and says in answer["detail"], (path, got, answer)


def test_results_of_a_run(lab):
    """The same from memory and, once the controller is another process, from the store."""
    base = lab.shop()
    fleet = lab.fleet().with_regions(us=1, eu=1)
    script = lab.file("tables.js", SCRIPT)
    first = fleet.gale(script, "-e", f"BASE={base}", "--regions", "us,eu")
    assert first.code == 99, first.text
    run = fleet.run_id()
    shown = get(fleet, f"runs/{run}")
    assert shown["totals"]["requests"] == 120 and shown["totals"]["failed"] == 0.5, shown
    assert (shown["totals"]["checks_passed"], shown["totals"]["thresholds_failed"]) == (60, 1)
    assert (shown["load"], shown["latency_metric"], shown["notes"]) == ("total", "http_req_duration", "")
    everything = [tables_are_right, summary_is_right, lists_are_right, files_are_whole, refusals_are_clear]
    for check in everything:
        check(fleet, run)
    second = fleet.gale(script, "-e", f"BASE={base}", "--regions", "us,eu")
    assert second.code == 99, second.text
    other = fleet.run_id()
    comparison = get(fleet, f"runs/{other}/compare", **{"with": run, "by": "region"})
    assert comparison["base"] == run and {r["region"] for r in comparison["rows"]} == {None, "us", "eu"}, comparison
    assert {r["verdict"] for r in comparison["rows"]} == {"unclear"}, "a second is too short to tell"
    trend = get(fleet, f"tests/{shown['test']['id']}/trend")
    assert trend["runs"] == [run, other] and trend["results"] == ["failed", "failed"] and trend["unit"] == "ms"
    assert all(v > 0 for v in trend["values"]), trend
    counts = get(fleet, f"tests/{shown['test']['id']}/trend", metric="http_reqs", agg="count", last=1)
    assert (counts["runs"], counts["values"], counts["unit"]) == ([other], [120], "count")
    fleet.restart()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(lambda check: check(fleet, run), everything))
