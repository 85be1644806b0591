"""Every operation that the controller has, called as docs/api/openapi.yaml says, and its answer held
to what is written there: status, media type, schema, and each event of a stream."""
import json
import re

import jsonschema
from api_client import ROOT, Api, contract, operations

SCRIPT = """
import http from 'k6/http';
import { check } from 'k6';
export const options = { vus: 2, iterations: 40, thresholds: { http_reqs: ['count>0'] } };
export default function () {
    const res = http.get(`${__ENV.BASE}/products`);
    check(res, { 'is 200': (r) => r.status === 200 });
    if (__ITER === 0) { http.get('http://127.0.0.1:1/'); console.log('<script>alert(1)</script>'); }
}
"""
PLAIN = "export const options = { vus: 1, iterations: 1 };\nexport default function () {}\n"
ROUTED = re.compile(r'^ROUTE\(\w+, "[^"]+", (\w+),', re.M)

# What an operation is sent beyond its path: a query, a body, its media type.
QUERIES = {"querySeries": "?metric=http_req_duration&agg=p(95)&by=region",
           "compareRuns": "?with={run}", "listExemplars": "?limit=5", "inspectScript": "?filename=a.js",
           "createVersion": "?filename=a.js"}
BODIES = {
    "openSession": {"token": "{secret}"},
    "createTest": {"name": "Contract", "script": PLAIN, "filename": "a.js", "labels": {"a": "b"}},
    "updateTest": {"description": "<b>changed</b>"},
    "createVersion": PLAIN.replace("iterations: 1", "iterations: 2").encode(),
    "inspectScript": PLAIN.encode(),
    "previewPlan": {"test": "{test}", "regions": [{"region": "us", "share": 100}],
                    "env": {"BASE": "http://127.0.0.1:1"}},
    "createRun": {"test": "{made}", "regions": [{"region": "us", "share": 100}]},
    "updateRun": {"notes": "<i>seen</i>"},
    "rerunRun": {},
    "scaleRun": {"regions": [{"region": "us", "agents": 1}]},
    "createShare": {"expires_in_days": 1},
    "describeRegion": {"title": "Here", "latitude": 1.5, "longitude": -2.5},
    "scaleRegion": {"agents": 1},
    "createToken": {"name": "x", "role": "viewer", "expires_in_days": 1},
}
# What is refused here, and how: nothing runs any more, there is no provisioner, it is in use.
STATUSES = {"scaleRun": 409, "scaleRegion": 422}
NEEDS_REST = ("createRun", "rerunRun", "previewPlan", "deleteRun", "deleteTest")
LAST = ["deleteShare", "clearBaseline", "deleteRun", "deleteTest", "deleteToken", "closeSession"]


def validate(value, schema, where):
    whole = {"components": contract()["components"], "allOf": [schema]}
    problems = list(jsonschema.Draft202012Validator(whole).iter_errors(value))
    assert not problems, (where, [f"{p.json_path}: {p.message[:300]}" for p in problems][:5])


def follow(node):
    while "$ref" in node:
        target = contract()
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def check_events(text, schemas, where):
    kinds = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in fields:
            kinds.append(fields["event"])
            validate(json.loads(fields["data"]), schemas[fields["event"]], (where, fields["event"]))
    assert kinds[0] == "snapshot" and kinds[-1] == "end", (where, kinds)


def check_answer(operation, answer):
    name = operation["operationId"]
    where = (name, answer)
    assert str(answer.status) in operation["responses"], where
    wanted = STATUSES.get(name)
    assert answer.status == wanted if wanted else 200 <= answer.status < 300, where
    content = follow(operation["responses"][str(answer.status)]).get("content", {})
    kind = answer.headers.get("Content-Type", "").split(";")[0]
    if not content:
        assert answer.body == b"", where
        return
    assert kind in content, (where, list(content))
    media = content[kind]
    if "json" in kind:
        validate(answer.json, media["schema"], where)
    elif "x-events" in media:
        check_events(answer.body.decode(), media["x-events"], where)
    else:
        assert answer.body or name == "makeReport", where  # nothing to annotate is said by nothing


class Caller:
    """Knows the ids of what there is, and of what its calls have made."""

    def __init__(self, api, ids):
        self.api, self.ids = api, ids

    def fill(self, text):
        for name, value in self.ids.items():
            text = text.replace("{" + name + "}", value)
        return text

    def call(self, method, path, operation):
        name = operation["operationId"]
        body = BODIES.get(name)
        headers = {}
        if isinstance(body, bytes):
            headers["Content-Type"] = "text/javascript"
        elif body is not None:
            body = json.loads(self.fill(json.dumps(body)))
        if name in ("deleteTest", "deleteRun"):  # those that ended, and nothing uses
            path = path.replace("{test}", "{made}")
        answer = self.api.call(method, self.fill(path + QUERIES.get(name, "")), body, headers)
        check_answer(operation, answer)
        made = {"createTest": "made", "createRun": "new", "createShare": "share",
                "createToken": "token", "rerunRun": "again"}.get(name)
        if made:
            self.ids[made] = answer.json["id"]


def test_every_operation(lab):
    base = lab.shop()
    fleet = lab.fleet("--token", "chosen")
    url, api = fleet.url, Api(fleet.url, "chosen")
    for name in ("us-1", "eu-1"):
        fleet.agent(name[:2], name)
    fleet.wait("agents", lambda: len(api.get("/api/v1/agents").json["items"]) == 2)
    result = lab.gale("run", "--fleet", url, "--token", "chosen", "--regions", "us,eu", "-e",
                      f"BASE={base}", lab.file("plain.js", SCRIPT))
    assert result.code == 0, result.text
    runs = fleet.wait("the run", lambda: api.get("/api/v1/runs").json["items"])
    tests = fleet.wait("its test", lambda: api.get("/api/v1/tests").json["items"])
    caller = Caller(api, {"run": runs[0]["id"], "test": tests[0]["id"], "version": "1",
                          "region": "us", "agent": "us-1", "secret": "chosen"})
    routed = set(ROUTED.findall((ROOT / "src/api/routes.def").read_text()))
    todo = [o for o in operations(contract()) if o[2]["operationId"] in routed]
    order = {"createTest": -2, "createToken": -1, "createShare": -1, "setBaseline": -1}
    todo.sort(key=lambda o: (LAST.index(o[2]["operationId"]) + 1
                             if o[2]["operationId"] in LAST else order.get(o[2]["operationId"], 0)))
    check_share(api, url, runs[0]["id"])
    broken = []
    for method, path, operation in (each for o in todo for each in by_format(*o)):
        if operation["operationId"] in NEEDS_REST:
            wait_for_the_end(fleet, api)
        try:
            caller.call(method, path, operation)
        except AssertionError as e:
            broken.append(str(e))
    assert not broken, "\n".join(broken)
    check_metrics(api.get("/metrics").body.decode())


def by_format(method, path, operation):
    """One for each format that the path may end with."""
    if not path.endswith("{format}"):
        yield method, path, operation
        return
    parameters = contract()["paths"][path.removeprefix("/api/v1")]["parameters"]
    for name in next(p for p in parameters if p.get("name") == "format")["schema"]["enum"]:
        yield method, path.replace("{format}", name), operation


def wait_for_the_end(fleet, api):
    fleet.wait("idle agents", lambda: all(
        r["phase"] == "ended" for r in api.get("/api/v1/runs").json["items"]) and all(
        a["state"] == "ready" for a in api.get("/api/v1/agents").json["items"]), 40)


def check_share(api, url, run):
    """Its link opens what the run measured, and nothing else, until it is taken back."""
    made = api.post(f"/api/v1/runs/{run}/shares").json
    assert made["page"] == f"/runs/{run}#share={made['token']}", made
    shared = Api(url, made["token"])
    for path in ("", "/live", "/summary", "/series?metric=http_reqs", "/logs", "/export/json"):
        assert shared.get(f"/api/v1/runs/{run}{path}").status == 200, path
    for path in (f"/runs/{run}/shares", "/runs", "/tests", "/agents", "/tokens"):
        assert shared.get(f"/api/v1{path}").status == 403, path
    opened = shared.post("/api/v1/session", {"token": made["token"]}).json
    assert (opened["role"], opened["run"]) == ("viewer", run), opened
    assert api.call("DELETE", f"/api/v1/tokens/{made['id']}").status == 404
    assert api.call("DELETE", f"/api/v1/runs/{run}/shares/{made['id']}").status == 204
    assert shared.get(f"/api/v1/runs/{run}").status == 401
    assert api.post("/api/v1/runs/01hs4m8vz6d1/shares").status == 404


def check_metrics(text):
    """In Prometheus' format, and with what has happened."""
    values = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            found = re.fullmatch(r'([a-z_]+(?:\{[a-z]+="[^"\\]*"\})?) (\S+)', line)
            assert found, line
            values[found.group(1)] = float(found.group(2))
    assert values['gale_windows_merged_total{region="us"}'] > 0, values
    assert values['gale_agent_messages_total{outcome="merged"}'] > 0, values
    assert values['gale_agents{region="eu"}'] == 1 and values["gale_runs_active"] == 0, values
    assert values['gale_api_answers_total{status="2xx"}'] > 20, values
    assert values["gale_runs_ended_total"] >= 2 and values["gale_leads"] == 1, values
    assert values["gale_event_streams"] == 0 and values["gale_store_waiting"] >= 0, values
