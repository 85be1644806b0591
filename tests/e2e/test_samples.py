"""What a run's samples say: which metrics there are, with which tags, when."""
import json

from test_options import HTTP, Target, points, run


def samples(lab, body, options="", init="", *flags):
    """Runs `body` once and returns all points of the json output, by metric."""
    r = lab.script(f"{HTTP}import {{ check, group, sleep }} from 'k6';\nimport exec from 'k6/execution';\n{init}\n"
                   f"export const options = {{ {options} }};\nexport default function () {{ {body} }}", *flags, "-o", "json=out.json")
    assert r.code == 0, r.text
    got = {}
    for line in map(json.loads, (lab.dir / "out.json").read_text().splitlines()):
        if line["type"] == "Point":
            got.setdefault(line["metric"], []).append(line["data"])
    return got


def test_default_tags_of_a_request(lab):
    t = Target(lab)
    got = samples(lab, f"group('outer', () => group('inner', () => http.get('{t.url}/x?a=1')));"
                  "http.get('http://127.0.0.1:1/'); sleep(1.2);")
    first, failed = (x["tags"] for x in got["http_reqs"])
    assert first == {"expected_response": "true", "group": "::outer::inner", "method": "GET", "name": f"{t.url}/x?a=1", "proto": "HTTP/1.1",
                     "scenario": "default", "status": "200", "url": f"{t.url}/x?a=1"}, first
    assert failed["status"] == "0" and failed["error_code"] == "1212" and "connection refused" in failed["error"], failed
    assert failed["expected_response"] == "false" and failed["group"] == ""
    parts = ("blocked", "connecting", "tls_handshaking", "sending", "waiting", "receiving", "duration")
    for part in parts:
        assert len(got[f"http_req_{part}"]) == 2 and got[f"http_req_{part}"][0]["tags"] == first, part
    value = {p: got[f"http_req_{p}"][0]["value"] for p in parts}
    assert abs(value["sending"] + value["waiting"] + value["receiving"] - value["duration"]) < 1e-6
    assert value["blocked"] >= value["connecting"] > 0 and value["tls_handshaking"] == 0, value
    assert [x["value"] for x in got["http_req_failed"]] == [0, 1]
    assert got["vus"][0]["value"] == 1 and got["vus_max"][0]["value"] == 1
    assert got["vus"][0]["tags"] == {} or "scenario" not in got["vus"][0]["tags"]
    assert sorted(x["tags"]["group"] for x in got["group_duration"]) == ["::outer", "::outer::inner"]
    assert sum(x["value"] for x in got["data_sent"]) > 50 and sum(x["value"] for x in got["data_received"]) > 100
    assert got["iterations"][0]["value"] == 1 and got["iteration_duration"][0]["value"] >= 1200


def test_reused_connections_cost_nothing(lab):
    t = Target(lab, tls=lab.certificate("localhost"))
    url = t.url.replace("127.0.0.1", "localhost")
    got = samples(lab, f"http.get('{url}/'); http.get('{url}/');", "insecureSkipTLSVerify: true")
    for part in ("connecting", "tls_handshaking"):
        first, again = (x["value"] for x in got[f"http_req_{part}"])
        assert first > 0 and again == 0, (part, first, again)
    blocked = [x["value"] for x in got["http_req_blocked"]]
    assert blocked[0] >= got["http_req_tls_handshaking"][0]["value"] + got["http_req_connecting"][0]["value"]
    assert got["http_reqs"][0]["tags"]["tls_version"] == "tls1.3"


def test_names_and_urls(lab):
    t = Target(lab)
    user = t.url.replace("//", "//ann:secret@")
    got = samples(lab, f"http.get('{t.url}/1', {{ tags: {{ name: 'fixed' }} }}); http.get(http.url`{t.url}/${{2}}?x=${{3}}`); http.get('{user}/3');")
    tags = [x["tags"] for x in got["http_reqs"]]
    assert tags[0]["name"] == tags[0]["url"] == "fixed", tags[0]
    assert tags[1]["name"] == tags[1]["url"] == t.url + "/${}?x=${}", tags[1]
    assert "secret" not in json.dumps(tags[2]) and "****:****@" in tags[2]["url"], tags[2]
    assert [x["path"] for x in t.seen] == ["/1", "/2?x=3", "/3"]


def test_every_hop_is_a_request(lab):
    t = Target(lab)
    got = samples(lab, f"http.get('{t.url}/redirect/3', {{ tags: {{ own: 'x' }} }});")
    assert [x["tags"]["status"] for x in got["http_reqs"]] == ["302", "302", "302", "200"]
    assert all(x["tags"]["own"] == "x" for x in got["http_reqs"])
    assert [x["tags"]["url"].rsplit("/", 1)[1] for x in got["http_reqs"]] == ["3", "2", "1", "0"]


def test_response_callbacks(lab):
    t = Target(lab)
    got = samples(lab, f"""http.get('{t.url}/redirect/1', {{ redirects: 0, responseCallback: http.expectedStatuses({{ min: 200, max: 299 }}) }});
        http.get('{t.url}/', {{ responseCallback: null }}); http.setResponseCallback(http.expectedStatuses(404)); http.get('{t.url}/');""")
    assert [x["value"] for x in got["http_req_failed"]] == [1, 1], got["http_req_failed"]
    assert [x["tags"].get("expected_response") for x in got["http_reqs"]] == ["false", None, "false"]


def test_tags_from_everywhere(lab):
    t = Target(lab)
    got = samples(lab, f"""exec.vu.tags.vu_tag = 1; exec.vu.metrics.tags.more = true; exec.vu.metrics.metadata.trace = 'abc';
        check(1, {{ fine: () => true }}, {{ own: 'check' }}); mine.add(2, {{ own: 'metric' }}); http.get('{t.url}/', {{ tags: {{ own: 'request' }} }});""",
                  "tags: { run: 'r' }, scenarios: { s: { executor: 'shared-iterations', tags: { part: 's' } } }",
                  "import { Counter } from 'k6/metrics'; const mine = new Counter('mine');")
    common = {"run": "r", "part": "s", "scenario": "s", "vu_tag": "1", "more": "true"}
    for metric, own in (("checks", "check"), ("mine", "metric"), ("http_reqs", "request")):
        point = got[metric][0]
        assert {**point["tags"], **common, "own": own} == point["tags"], (metric, point)
        assert point["metadata"] == {"trace": "abc"}, point
    assert got["checks"][0]["tags"]["check"] == "fine" and got["checks"][0]["value"] == 1


def test_dropped_iterations(lab):
    r, m = lab.summary("import { sleep } from 'k6';\nexport const options = { scenarios: {\n"
                       "  pot: { executor: 'shared-iterations', vus: 1, iterations: 10, maxDuration: '500ms', gracefulStop: '0s' },\n"
                       "  own: { executor: 'per-vu-iterations', vus: 2, iterations: 5, maxDuration: '500ms', gracefulStop: '0s' } } };\n"
                       "export default function () { sleep(3); }")
    assert r.code == 0 and m["dropped_iterations"]["count"] >= 17, m["dropped_iterations"]


def test_summary_of_samples_and_submetrics(lab):
    t = Target(lab)
    r = run(lab, f"http.get('{t.url}/a', {{ tags: {{ kind: 'x y' }} }}); http.get('{t.url}/b');",
            "thresholds: { \"http_reqs{ kind : 'x y' }\": ['count==1'], 'http_reqs{kind:none}': ['count==0'], 'http_req_duration{kind:none}': ['avg<1'] }")
    assert "kind : 'x y' }" in r.stdout and "✓ 'count==1' count=1" in r.stdout, r.stdout
    assert "{ expected_response:true }" in r.stdout


def test_malformed_submetrics(lab):
    for key in ("http_reqs{a}", "http_reqs{a:}", "http_reqs{a:1", "http_reqs{}"):
        r = lab.script(f"export const options = {{ thresholds: {{ '{key}': ['count>=0'] }} }};\nexport default function () {{}}")
        assert r.code == 104 and "thresholds: " in r.stderr and key[9:] in r.stderr, (key, r.text)
    r = lab.script("export const options = { thresholds: { 'iterations{vu:1}': ['count>=0'] } };\nexport default function () {}")
    assert "level=warning" in r.stderr and "vu" in r.stderr, r.text


def test_points_of_outputs_have_k6s_time(lab):
    assert samples(lab, "")["iterations"][0]["time"][10] == "T"
    assert points(lab.dir / "out.json", "iterations")[0]["value"] == 1
