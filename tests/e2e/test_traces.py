"""Trace contexts: what requests carry, and what becomes of them."""
import base64
import contextlib
import json
import re
import time
import urllib.error
import urllib.request

from lab import echo, ok
from test_grpc import PROTOS, Server
from test_outputs import Receiver

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
    r = lab.script(SCRIPT, "--summary-exemplars", env={"URL": server.url, "OWN": own})
    assert r.code == 0 and f"trace_id={own[3:35]}" in r.stdout, r.text  # without any option, too


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


def attributes(thing):
    return {a["key"]: next(iter(a["value"].values())) for a in thing.get("attributes", [])}


def spans(receiver, count):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        got = [s for r in receiver.requests for x in r["body"].get("resource_spans", [])
               for y in x["scope_spans"] for s in y["spans"]]
        if len(got) >= count:
            break
        time.sleep(0.05)
    assert len(got) == count, (count, got)
    return got


def hexadecimal(text):
    return base64.b64decode(text).hex()


def check_spans(lab, *flags):
    """Each request has a span with the ids that it carried, and its phases."""
    receiver = Receiver(lab)
    server, heads = target(lab)
    r = lab.script(SCRIPT, "--trace-propagation", "w3c", *[f.format(r=receiver) for f in flags],
                   env={"URL": server.url, "OTEL_SERVICE_NAME": "load"})
    assert r.code == 0 and "could not" not in r.stderr, r.text
    got = spans(receiver, 4)
    sent = {re.search(r"00-([0-9a-f]{32})-([0-9a-f]{16})-01", h).groups() for h in heads}
    assert {(hexadecimal(s["trace_id"]), hexadecimal(s["span_id"])) for s in got} == sent, (got, sent)
    for s in got:
        assert s["kind"] == 3 and s["name"] == "GET" and "status" not in s, s
        a = attributes(s)
        assert a["url.full"] == f"{server.url}/x" and a["http.response.status_code"] == "200", a
        start, end = int(s["start_time_unix_nano"]), int(s["end_time_unix_nano"])
        names = [e["name"] for e in s["events"]]
        assert {"connecting", "sending", "waiting"} <= set(names), names
        times = [int(e["time_unix_nano"]) for e in s["events"]]
        assert times == sorted(times) and start <= times[0] <= times[-1] <= end, s
        assert abs(time.time_ns() - end) < 600e9, s
    resource = receiver.requests[0]["body"]["resource_spans"][0]["resource"]
    assert attributes(resource)["service.name"] == "load"
    return receiver


def test_spans_over_grpc(lab):
    receiver = check_spans(lab, "--traces-output", "otel=127.0.0.1:{r.grpc},header.x-one=1")
    assert receiver.requests[0]["headers"]["x-one"] == "1"


def test_spans_over_http(lab):
    receiver = check_spans(lab, "--traces-output", "otel=http://127.0.0.1:{r.http},proto=http")
    assert receiver.requests[0]["headers"][":path"] == "/v1/traces"


def test_spans_of_redirects_and_failures(lab):
    def talk(conn, data):
        if b"GET /from" in data:
            conn.sendall(b"HTTP/1.1 302 Found\r\nLocation: /to\r\nContent-Length: 0\r\n\r\n")
        elif b"GET /to" in data:
            conn.sendall(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")

    receiver, server = Receiver(lab), lab.server(talk)
    r = lab.script(f"""import http from 'k6/http';
export default function () {{ http.get('{server.url}/from'); http.get('http://127.0.0.1:1/'); }}""",
                   "--trace-propagation", "w3c", "--traces-output", f"otel=127.0.0.1:{receiver.grpc}")
    assert r.code == 0, r.text
    first, second, refused = spans(receiver, 3)
    assert second["trace_id"] == first["trace_id"] and second["parent_span_id"] == first["span_id"] != second["span_id"]
    assert "status" not in first and second["status"]["code"] == 2, (first, second)
    assert "connection refused" in refused["status"]["message"] and refused["trace_id"] != first["trace_id"], refused
    assert "connection refused" in attributes(refused)["error.type"]


CALLS = """
import grpc from 'k6/net/grpc';
import ws from 'k6/ws';
const client = new grpc.Client();
client.load(['%s'], 'hello.proto');
export const options = { iterations: 1 };
function count(big) {
  return new Promise((resolve) => {
    const stream = new grpc.Stream(client, 'hello.Greeter/Count');
    stream.on('data', (m) => console.log(`sent ${m.message}`));
    stream.on('end', resolve);
    stream.write({ name: 'traceparent', big });
    stream.end();
  });
}
export default async function () {
  client.connect(__ENV.GRPC, { plaintext: true });
  const call = (method, name) => client.invoke(`hello.Greeter/${method}`, { name }).message;
  console.log(`sent ${call('SayHello', 'traceparent').message}`);
  call('Fail', 'no such\\nthing');
  await count(2);
  client.close();
  ws.connect(`${__ENV.WS.replace('http://', 'ws://me:secret@')}/talk`, (s) => s.on('open', () => s.close()));
  ws.connect(`${__ENV.WS.replace('http', 'ws')}/none`, () => {});
}
""" % PROTOS


def test_grpc_and_websockets(lab):
    """Calls, streams and handshakes carry a context, have a span with its ids, and are exemplars."""
    heads = []

    def talk(conn, data):
        heads.append(data.split(b"\r\n\r\n")[0].decode().lower())
        if b"GET /none" not in data:
            echo(conn, data)
        else:
            conn.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    receiver, server = Receiver(lab), lab.server(talk)
    with Server() as target:
        r = lab.script(CALLS, "--trace-propagation", "w3c", "--traces-output", f"otel=127.0.0.1:{receiver.grpc}",
                       "--summary-exemplars", "-o", "json=out.json", env={"GRPC": target.address, "WS": server.url})
    assert r.code == 0, r.text
    unary, failed, stream, opened, refused = sorted(spans(receiver, 5), key=lambda s: int(s["start_time_unix_nano"]))

    def ids(span):
        return f"00-{hexadecimal(span['trace_id'])}-{hexadecimal(span['span_id'])}-01"
    assert f"sent {ids(unary)}" in r.stderr and f"sent {ids(stream)} 1" in r.stderr, r.text
    assert [re.search("traceparent: (.*)", h).group(1).strip() for h in heads] == [ids(opened), ids(refused)], heads
    assert [s["name"] for s in (unary, failed, stream, opened)] == [
        "hello.Greeter/SayHello", "hello.Greeter/Fail", "hello.Greeter/Count", "GET"], (unary, failed, stream, opened)
    a = attributes(failed)
    assert (a["rpc.system"], a["rpc.service"], a["rpc.method"], a["rpc.grpc.status_code"]) == (
        "grpc", "hello.Greeter", "Fail", "5"), a
    assert f"{a['server.address']}:{a['server.port']}" == target.address and failed["status"]["code"] == 2, failed
    assert failed["status"]["message"] == "no such thing" and "status" not in unary, (failed, unary)
    for span, names in ((unary, {"sending", "waiting"}), (stream, {"sending", "waiting", "receiving"}),
                        (opened, {"connecting", "sending", "waiting"})):
        assert names <= {e["name"] for e in span["events"]}, span
    a = attributes(opened)
    assert a["http.response.status_code"] == "101" and a["url.full"].startswith("ws://****:****@"), a
    assert attributes(refused)["http.response.status_code"] == "404" and "bad handshake" in refused["status"]["message"]
    points = [x for x in map(json.loads, (lab.dir / "out.json").read_text().splitlines()) if x["type"] == "Point"]
    for metric, span in (("grpc_req_duration", unary), ("ws_sessions", opened), ("ws_connecting", opened)):
        got = next(x["data"]["metadata"]["trace_id"] for x in points if x["metric"] == metric)
        assert got == hexadecimal(span["trace_id"]), (metric, got)
    slow, bad = r.stdout.split("slowest requests")[1].split("failed requests")
    assert f" 0 gRPC {target.address}/hello.Greeter/SayHello " in slow and " 101 GET ws://" in slow, r.stdout
    assert " 5 gRPC " in bad and "error: no such thing" in bad and "/none" in bad and "Count" not in slow, r.stdout
    assert "secret" not in r.stdout and "secret" not in json.dumps(receiver.requests), r.stdout


def test_unsampled_requests_have_no_span(lab):
    receiver = Receiver(lab)
    server, heads = target(lab)
    r = lab.script(SCRIPT, "--trace-propagation", "w3c,sampling=0", "--traces-output",
                   f"otel=127.0.0.1:{receiver.grpc}", env={"URL": server.url})
    assert r.code == 0 and len(heads) == 4, r.text
    assert receiver.requests == []


def test_nobody_takes_the_spans(lab):
    server, heads = target(lab)
    r = lab.script(SCRIPT, "--trace-propagation", "w3c", "--traces-output", "otel=127.0.0.1:1", env={"URL": server.url})
    assert r.code == 0 and len(heads) == 4, r.text
    assert "traces (grpc 127.0.0.1:1)" in r.stderr and "4 of 4" in r.stderr, r.stderr


def test_traces_output_says_what_is_wrong(lab):
    for value, said in (("otel", "--trace-propagation w3c"), ("jaeger", "use none or otel"),
                        ("otel=127.0.0.1:1,proto=udp", "proto=udp"), ("otel=a:1,b", "'b'"),
                        ("otel=a:1,header.x y=1", "x y")):
        r = lab.script(SCRIPT, *([] if value == "otel" else ["--trace-propagation", "w3c"]),
                       "--traces-output", value)
        assert r.code == 104 and "--traces-output" in r.stderr and said in r.stderr, (value, r.text)


def test_exemplars_name_the_slowest_and_the_failed(lab):
    def talk(conn, data):
        if b"/slow" in data:
            time.sleep(0.4)
        ok(conn) if b"/broken" not in data else conn.sendall(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")

    server = lab.server(talk)
    script = f"""import http from 'k6/http';
export default function () {{ for (const p of ['fast', 'slow', 'broken']) http.get(`{server.url}/${{p}}`); }}"""
    flags = ["--summary-exemplars", "--trace-link", "https://t.example/{trace_id}?id={trace_id}"]
    r = lab.script(script, *flags, "--trace-propagation", "w3c")
    slow, failed = r.stdout.split("slowest requests")[1].split("failed requests")
    assert "EXEMPLARS" in r.stdout and "/slow" in slow.splitlines()[1], r.stdout
    assert "503 GET" in failed and "/broken" in failed and "/broken" not in slow and "waiting=" in failed, r.stdout
    ids = re.findall(r"trace_id=([0-9a-f]{32})\n\s+https://t.example/([0-9a-f]{32})\?id=([0-9a-f]{32})", r.stdout)
    assert len(ids) == 3 and all(len(set(i)) == 1 for i in ids), r.stdout
    r = lab.script(script, *flags)  # no contexts: the requests all the same
    assert "/slow" in r.stdout and "trace_id" not in r.stdout, r.stdout
    r = lab.script(script)
    assert "EXEMPLARS" not in r.stdout


FLEET = """
import http from 'k6/http';
import { sleep } from 'k6';
export const options = { vus: 4, duration: '4s' };
export default function () {
  const zone = __ENV.K6_CLOUDRUN_LOAD_ZONE;
  for (const path of ['products/7', 'products', 'none'])
    http.get(`${__ENV.URL}/${path}`, { headers: { baggage: `region=${zone}` } });
  sleep(0.02); // no more spans than their receiver reads
}
"""


def test_exemplars_and_spans_of_a_fleet(lab):
    """A shop is slow for the clients of one region. The exemplars, which come together in the controller,
    live and stored, point there, and lead to what the shop did. Agents send spans where their operator
    says."""
    receiver = Receiver(lab)
    shop = lab.shop("--slow", "eu=300ms", "--traces", f"127.0.0.1:{receiver.http}")
    fleet = lab.fleet()
    fleet.agent("us", "us-1")
    fleet.agent("eu", "eu-1", "--traces-output", f"otel=127.0.0.1:{receiver.grpc}")
    fleet.wait_ready(2)
    script = lab.file("fleet.js", FLEET)
    refused = fleet.gale(script, "--traces-output", "otel", "--regions", "us,eu")
    assert refused.code == 104 and "gale agent --traces-output" in refused.stderr, refused.text
    r = fleet.gale(script, "-e", f"URL={shop}", "--regions", "us=50%,eu=50%", "--quiet",
                   "--trace-propagation", "w3c",
                   "--summary-exemplars", "--trace-link", "https://t.example/?q={trace_id}&x")
    assert r.code == 0, r.text
    slow, failed = r.stdout.split("slowest requests")[1].split("failed requests")
    lines = [line for line in slow.splitlines() if "GET" in line]
    assert all("/products " in x and x.endswith(" eu") for x in lines[:3]), r.stdout
    assert any(x.endswith(" us") for x in lines) and "404 GET" in failed and "/none" in failed, r.stdout
    ids = re.findall(r"trace_id=([0-9a-f]{32})\n\s+https://t.example/\?q=([0-9a-f]{32})&x\n", slow)
    assert ids and all(a == b for a, b in ids), r.stdout

    run = fleet.run_id()
    page = f"/api/v1/runs/{run}/exemplars"
    items = fleet.get(page)["items"]
    check_exemplars(fleet, page, items)
    fleet.controller.terminate()  # what it has kept is in the store then
    fleet.controller.wait()
    fleet.controller = fleet.spawn("controller", "controller", "--data", fleet.data, "--listen",
                                   fleet.url.removeprefix("http://"), "--nats-listen",
                                   fleet.nats.removeprefix("nats://"))
    fleet.wait("the API", lambda: fleet.get("/readyz"))
    stored = fleet.get(page)["items"]
    check_exemplars(fleet, page, stored)
    assert [{**x, "id": 0} for x in stored] == [{**x, "id": 0} for x in items]

    def sent():
        return [(x["resource"], s) for r in receiver.requests for x in r["body"].get("resource_spans", [])
                for y in x["scope_spans"] for s in y["spans"]]

    slow = max(items, key=lambda x: x["duration"])
    fleet.wait("its spans", lambda: [hexadecimal(s["trace_id"]) for _, s in sent()].count(slow["trace_id"]) == 3)
    client, server, catalogue = sorted((s for _, s in sent() if hexadecimal(s["trace_id"]) == slow["trace_id"]),
                                       key=lambda s: -s["kind"])
    assert (client["name"], server["name"], catalogue["name"]) == ("GET", "GET products", "catalogue")
    assert server["parent_span_id"] == client["span_id"] and catalogue["parent_span_id"] == server["span_id"]
    assert attributes(catalogue)["replica"] == attributes(server)["client.region"] == "eu", (server, catalogue)
    assert int(catalogue["end_time_unix_nano"]) - int(catalogue["start_time_unix_nano"]) == 300e6
    for resource, span in sent():
        a = attributes(resource)
        if a["service.name"] == "shop":
            continue
        assert (a["service.instance.id"], a["cloud.region"]) == ("eu-1", "eu"), a
        assert attributes(span)["load_zone"] == "eu", span


def check_exemplars(fleet, page, items):
    slow = max(items, key=lambda x: x["duration"])
    assert slow["url"].endswith("/products") and (slow["region"], slow["agent"], slow["kind"], slow["method"]) == ("eu", "eu-1", "slow", "GET"), slow
    assert slow["status"] == "200" and slow["error_code"] is None and len(slow["trace_id"]) == 32, slow
    assert slow["duration"] > 250 and 250 < slow["phases"]["waiting"] <= slow["duration"], slow
    assert 1 <= slow["vu"] <= 4 and slow["iteration"] >= 0 and 0 <= slow["second"] <= 5, slow
    failed = next(x for x in items if x["kind"] == "failed")
    assert failed["url"].endswith("/none") and failed["error_code"] == "1404", failed
    assert {x["region"] for x in items} == {"us", "eu"}
    assert [x["id"] for x in items] == sorted((x["id"] for x in items), reverse=True)
    few = fleet.get(f"{page}?region=us&kind=failed")["items"]
    assert few and all((x["region"], x["kind"]) == ("us", "failed") for x in few), few
    assert fleet.get(f"{page}?from=2000")["items"] == [] and fleet.get(f"{page}?to=1")["items"]
    first = fleet.get(f"{page}?limit=3")
    assert first["items"] == items[:3] and first["next"]
    rest = fleet.get(f"{page}?limit=400&cursor={first['next']}")
    assert rest["items"] == items[3:] and rest["next"] is None


def test_the_shop_continues_traces_that_are_recorded(lab):
    receiver = Receiver(lab)
    shop = lab.shop("--traces", f"127.0.0.1:{receiver.http}")

    def ask(path, data=None, **headers):
        with contextlib.suppress(urllib.error.HTTPError), urllib.request.urlopen(
                urllib.request.Request(shop + path, data, headers), timeout=10) as answer:
            return answer.read().decode()

    ids = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"
    for value in ("", "00", f"00-{ids}-00", f"00-{ids[1:]}-01", f"00-{ids.upper()}-01", f"00-{ids}-zz", "0-" + "a" * 999):
        ask("/products", traceparent=value)
    ask("/basket", traceparent=f"00-{ids}-01", baggage="a=b,region=eu;x=y")
    ask("/products", traceparent=f"00-{ids}-03", baggage='region="}x{' + "y" * 99)
    basket, products = spans(receiver, 2)
    assert [hexadecimal(basket[k]) for k in ("trace_id", "parent_span_id")] == ids.split("-"), basket
    assert attributes(basket)["http.response.status_code"] == "401" and attributes(basket)["client.region"] == "eu"
    assert products["name"] == "GET products" and products["kind"] == 2, products
    for body in (b"", b"{}", b'{"region": "", "ms": 1}', b'{"region": "eu", "ms": -1}', b'{"region": "eu", "ms": 1e9}'):
        assert ask("/slow", body) is None, body
    lines = ask("/metrics").splitlines()
    assert 'shop_requests_total{route="products",status="2xx"} 8' in lines, lines
    assert 'shop_catalogue_seconds_count{replica="home"} 7' in lines, lines
    assert f'shop_catalogue_seconds_count{{replica="x{"y" * 30}"}} 1' in lines, lines
