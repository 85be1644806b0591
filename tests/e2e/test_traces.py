"""Trace contexts: what requests carry, and what becomes of them."""
import json
import re

from lab import ok

SCRIPT = """
import http from 'k6/http';
import exec from 'k6/execution';
export const options = { vus: 1, iterations: 4 };
export default function () {
  const own = __ENV.OWN ? { headers: { traceparent: __ENV.OWN } } : {};
  http.get(`${__ENV.URL}/x`, own);
}
"""

FIELDS = {
    "w3c": r"traceparent: 00-([0-9a-f]{32})-[0-9a-f]{16}-01",
    "b3": r"b3: ([0-9a-f]{32})-[0-9a-f]{16}-1",
    "jaeger": r"uber-trace-id: ([0-9a-f]{32}):[0-9a-f]{16}:0:1",
    "datadog": r"x-datadog-tags: _dd.p.tid=([0-9a-f]{16})",
}


def target(lab):
    """A server that keeps the heads that it got."""
    heads = []

    def talk(conn, data):
        heads.append(data.split(b"\r\n\r\n")[0].decode().lower())
        ok(conn)

    return lab.server(talk), heads


def metadata(lab):
    lines = map(json.loads, (lab.dir / "out.json").read_text().splitlines())
    return [x["data"].get("metadata", {}).get("trace_id") for x in lines
            if x["type"] == "Point" and x["metric"] == "http_reqs"]


def test_each_format_gives_each_request_an_id(lab):
    for name, pattern in FIELDS.items():
        server, heads = target(lab)
        r = lab.script(SCRIPT, "--trace-propagation", name, "-o", "json=out.json", env={"URL": server.url})
        assert r.code == 0 and len(heads) == 4, r.text
        ids = [re.search(pattern, head).group(1) for head in heads]
        assert len(set(ids)) == 4, ids
        got = metadata(lab)
        assert [x[:len(i)] for x, i in zip(got, ids)] == ids and all(len(x) == 32 for x in got), (ids, got)


def test_a_context_of_the_scripts_own_stays(lab):
    server, heads = target(lab)
    own = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    r = lab.script(SCRIPT, "--trace-propagation", "b3", "-o", "json=out.json",
                   env={"URL": server.url, "OWN": own})
    assert r.code == 0, r.text
    assert all(f"traceparent: {own}" in h and "b3:" not in h for h in heads), heads
    assert metadata(lab) == [own[3:35]] * 4


def test_sampling_and_the_option_in_the_script(lab):
    server, heads = target(lab)
    text = SCRIPT.replace("vus: 1", "tracing: { propagator: 'w3c', sampling: 0 }, vus: 1")
    r = lab.script(text, env={"URL": server.url})
    assert r.code == 0 and all(re.search(r"traceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-00", h) for h in heads), heads
    r = lab.script(SCRIPT, env={"URL": server.url, "GALE_TRACE_PROPAGATION": "w3c,sampling=0"})
    assert r.code == 0 and len(heads) == 8 and heads[-1].count("traceparent") == 1, heads[-1]


def test_no_context_unless_asked(lab):
    server, heads = target(lab)
    r = lab.script(SCRIPT, "-o", "json=out.json", env={"URL": server.url})
    assert r.code == 0 and not any("trace" in h for h in heads) and metadata(lab) == [None] * 4, heads


def test_what_is_no_format_is_refused(lab):
    for value in ("zipkin", "w3c,often", "w3c,sampling=3"):
        r = lab.script(SCRIPT, "--trace-propagation", value)
        assert r.code != 0 and value.split("=")[-1].split(",")[-1] in r.stderr, r.text
