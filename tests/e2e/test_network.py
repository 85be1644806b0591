"""What an operator says of the network. Emulated distance: the phases of requests are at least what
it makes of them (never an upper bound: the machine may be busy), and no byte changes. The policy: no
script goes around it."""
import hashlib
import json
import random
import re
import subprocess

from lab import echo, free_port, ok
from test_grpc import PROTOS, Server

RTT = 60


def keep_alive(body=b"ok"):
    def talk(conn, _):
        while True:
            ok(conn, body)
            if not conn.recv(65536):
                return
    return talk


def timings(lab, body, *flags, rtt=RTT, env=None, imports="", throws=True):
    """Runs `body` once under the distance; what it returns, as JSON."""
    r = lab.script(f"""
        import http from 'k6/http';
        {imports}
        export const options = {{ insecureSkipTLSVerify: true, throw: {str(throws).lower()} }};
        export default function () {{
          const out = (() => {{ {body} }})();
          if (out !== undefined) console.log('OUT' + JSON.stringify(out));
        }}
    """, "--emulate", f"rtt={rtt}ms", "--log-format", "raw", *flags, env=env)
    assert r.code == 0, r.text
    return json.loads(re.search(r"OUT(.*)", r.stderr).group(1))


def test_http1_phases_are_those_of_the_distance(lab):
    server = lab.server(keep_alive())
    first, second = timings(lab, f"""
        const a = http.get('{server.url}/').timings;
        return [a, http.get('{server.url}/').timings];
    """)
    assert first["connecting"] >= RTT and first["waiting"] >= RTT, first
    assert first["duration"] >= RTT and first["blocked"] >= RTT, first
    assert second["connecting"] == 0 and second["waiting"] >= RTT, second
    assert server.connections == 1


def test_tls_handshakes_and_http2_over_a_distance(lab):
    lab.certificate("far")
    node = subprocess.Popen(["node", "-e", """
        const fs = require('fs');
        const s = require('http2').createSecureServer({ key: fs.readFileSync('far.key'), cert: fs.readFileSync('far.pem') },
          (q, r) => r.end('h2'));
        s.listen(0, '127.0.0.1', () => console.log(s.address().port));
    """], cwd=lab.dir, stdout=subprocess.PIPE, text=True)
    lab.closing.append(lambda: (node.kill(), node.wait(), node.stdout.close()))
    port = node.stdout.readline().strip()
    proto, first, second = timings(lab, f"""
        const a = http.get('https://127.0.0.1:{port}/');
        return [a.proto, a.timings, http.get('https://127.0.0.1:{port}/').timings];
    """)
    assert proto == "HTTP/2.0", proto
    assert first["connecting"] >= RTT and first["tls_handshaking"] >= RTT, first
    assert first["waiting"] >= RTT and second["waiting"] >= RTT, (first, second)


def test_websockets_and_grpc_over_a_distance(lab):
    server = lab.server(echo)
    connected, echoed = timings(lab, f"""
        const began = Date.now();
        let connected, echoed;
        ws.connect('{server.url.replace('http', 'ws')}/', (socket) => {{
          socket.on('open', () => {{ connected = Date.now(); socket.send('hello'); }});
          socket.on('message', (m) => {{ if (m === 'hello') echoed = Date.now(); socket.close(); }});
        }});
        return [connected - began, echoed - connected];
    """, imports="import ws from 'k6/ws';")
    # Date.now() counts whole milliseconds.
    assert connected >= 2 * RTT - 1 and echoed >= RTT - 1, (connected, echoed)
    with Server() as grpc:
        message, took = timings(lab, """
            client.connect(__ENV.ADDRESS, { plaintext: true });
            const began = Date.now();
            const r = client.invoke('hello.Greeter/SayHello', { name: 'ann' });
            return [r.message.message, Date.now() - began];
        """, env={"ADDRESS": grpc.address}, imports=f"""
            import grpc from 'k6/net/grpc';
            const client = new grpc.Client();
            client.load(['{PROTOS}'], 'hello.proto');
        """)
    assert message == "hello ann" and took >= RTT - 1, (message, took)


def test_bytes_are_intact_under_loss_and_rate(lab):
    body = random.Random(7).randbytes(400_000)
    seen = []

    def talk(conn, request):
        head, _, rest = request.partition(b"\r\n\r\n")
        while len(rest) < len(body):
            part = conn.recv(65536)
            if not part:
                break
            rest += part
        seen.append(hashlib.sha256(rest).hexdigest())
        ok(conn, rest)
    server = lab.server(talk)
    (lab.dir / "body").write_bytes(body)
    r, m = lab.summary(f"""
        import http from 'k6/http'; import crypto from 'k6/crypto'; import {{ check }} from 'k6';
        export const options = {{ vus: 3, iterations: 3 }};
        const body = open('body', 'b');
        export default function () {{
          const r = http.post('{server.url}/', body, {{ responseType: 'binary' }});
          check(r, {{ same: (r) => crypto.sha256(r.body, 'hex') === '{hashlib.sha256(body).hexdigest()}' }});
        }}
    """, "--emulate", "rtt=20ms,jitter=10ms,rate=20mbit,loss=0.5%")
    assert r.code == 0, r.text
    assert m["checks"]["passes"] == 3 and m["checks"]["fails"] == 0, r.text
    assert seen == [hashlib.sha256(body).hexdigest()] * 3
    # Three bodies of 160 ms each share one line, up and down.
    assert m["http_req_duration"]["max"] >= 3 * 160, m["http_req_duration"]
    assert m["data_sent"]["count"] > 3 * len(body) and m["data_received"]["count"] > 3 * len(body)


def test_refusals_and_timeouts_over_a_distance(lab):
    port = free_port()
    code, connecting = timings(lab, f"""
        const r = http.get('http://127.0.0.1:{port}/');
        return [r.error_code, r.timings.connecting];
    """, throws=False)
    assert code == 1212 and connecting >= RTT, (code, connecting)
    server = lab.server(keep_alive())
    assert timings(lab, f"""
        return http.get('{server.url}/', {{ timeout: '100ms' }}).error_code;
    """, rtt=400, throws=False) == 1050


def test_emulated_distance_is_labelled(lab):
    path = lab.file("s.js", "export default function () {}")
    r = lab.gale("run", "--emulate", "loss=0%,rtt=230ms,rate=50mbit", path)
    label = "emulated distance: rtt=230ms,rate=50mbit\n"
    assert r.code == 0 and r.stdout.count(label) == 2, r.text
    r = lab.gale("run", "--quiet", path, env={"GALE_EMULATE": "rtt=1ms"})
    assert r.code == 0 and r.stdout.count("emulated distance: rtt=1ms\n") == 1, r.text
    r = lab.gale("run", path)
    assert "emulated" not in r.text
    r = lab.gale("run", "--emulate", "rtt=fast", path)
    assert r.code == 104 and "flag --emulate: rtt 'fast': a duration" in r.stderr, r.text


def policy(lab, text, name="policy.json"):
    return "--policy", lab.file(name, json.dumps(text))


def errors(lab, body, *flags, env=None, imports="", options=""):
    """What `body` returns: a list of texts."""
    r = lab.script(f"""
        import http from 'k6/http';
        {imports}
        export const options = {{ {options} }};
        export default async function () {{ console.log('OUT' + JSON.stringify(await (async () => {{ {body} }})())); }}
    """, "--log-format", "raw", *flags, env=env)
    assert r.code == 0, r.text
    return json.loads(re.search(r"OUT(.*)", r.stderr).group(1))


def test_policy_holds_for_every_kind_of_connection(lab):
    server = lab.server(keep_alive())
    with Server() as grpc:
        got = errors(lab, f"""
            const out = [];
            const note = (f) => {{ try {{ out.push(String(f())); }} catch (e) {{ out.push(String(e)); }} }};
            note(() => http.get('{server.url}/').error);
            note(() => http.get('http://shop.test/').error);
            note(() => http.get('http://[::ffff:127.0.0.1]:{server.port}/').error);
            note(() => ws.connect('{server.url.replace("http", "ws")}/', () => {{}}).error);
            note(() => client.connect(__ENV.ADDRESS, {{ plaintext: true, timeout: '5s' }}));
            out.push((await http.asyncRequest('GET', '{server.url}/')).error);
            try {{ await fetch('{server.url}/'); }} catch (e) {{ out.push(String(e)); }}
            return out;
        """, *policy(lab, {"deny": ["127.0.0.0/8"]}), imports=f"""
            import ws from 'k6/ws';
            import grpc from 'k6/net/grpc';
            const client = new grpc.Client();
            client.load(['{PROTOS}'], 'hello.proto');
        """, options=f"hosts: {{ 'shop.test': '127.0.0.1:{server.port}' }}", env={"ADDRESS": grpc.address})
    assert len(got) == 7, got
    for text in got:
        assert "policy" in text and "is refused: \"deny\" has 127.0.0.0/8" in text, text
    assert server.connections == 0


def test_policy_holds_for_redirects_and_proxies(lab):
    proxied = []

    def proxy(conn, request):
        proxied.append(request.split(b"\r\n")[0].decode())
        if request.startswith(b"CONNECT"):
            conn.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            conn.recv(65536)
        ok(conn, b"through")
    through = lab.server(proxy)

    def talk(conn, _):
        conn.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest/meta-data\r\n"
                     b"Content-Length: 0\r\n\r\n")
    server = lab.server(talk)
    got = errors(lab, f"""
        const p = {{ proxy: '{through.url}' }};
        const code = (r) => [r.error_code, r.error];
        return [code(http.get('{server.url}/')), code(http.get('http://169.254.169.254/', p)),
                code(http.get('http://metadata.google.internal/', p)), code(http.get('http://127.0.0.9/', p)),
                http.get('http://localhost:81/', p).body,
                code(http.get('http://127.0.0.1:81/', {{ proxy: 'http://127.0.0.9:3128' }}))];
    """, *policy(lab, {"deny": ["127.0.0.9"]}))
    for code, text in got[:4] + got[5:]:
        assert code == 1110 and "policy" in text and "is refused" in text, got
    assert "link-local and cloud metadata" in got[0][1], got
    assert got[4] == "through" and proxied in (["CONNECT 127.0.0.1:81 HTTP/1.1"], ["CONNECT [::1]:81 HTTP/1.1"]), \
        (got, proxied)
    # Without a policy all is as in k6: the proxy is asked for the page itself.
    proxied.clear()
    errors(lab, f"return [http.get('http://metadata.test/', {{ proxy: '{through.url}' }}).status];")
    assert proxied == ["GET http://metadata.test/ HTTP/1.1"], proxied


def test_policy_limits_load_and_line(lab):
    flags = policy(lab, {"maxVUs": 5, "maxRate": 10, "maxBandwidth": "20mbit"})
    r = lab.script("export const options = { vus: 6, duration: '1s' };\nexport default function () {}", *flags)
    assert r.code == 104 and "the policy allows 5 VUs here and the test needs 6" in r.stderr, r.text
    r = lab.script("""export const options = { scenarios: { a: { executor: 'constant-arrival-rate', rate: 11,
        duration: '1s', preAllocatedVUs: 1 } } };\nexport default function () {}""", *flags)
    assert r.code == 104 and "10 iterations per second here and the test needs 11" in r.stderr, r.text
    body = b"x" * 500_000
    server = lab.server(keep_alive(body))
    r, m = lab.summary(f"""
        import http from 'k6/http'; import {{ check }} from 'k6';
        export const options = {{ vus: 2, iterations: 2 }};
        export default function () {{ check(http.get('{server.url}/'), {{ whole: (r) => r.body.length === 500000 }}); }}
    """, *flags)
    assert r.code == 0 and m["checks"]["passes"] == 2, r.text
    # 8 Mbit over 20 Mbit/s, less what left before the clocks of both had begun.
    assert m["http_req_duration"]["max"] >= 350 and "emulated" not in r.text, m["http_req_duration"]


def test_policy_that_is_wrong_names_the_place(lab):
    path = lab.file("s.js", "export default function () {}")
    r = lab.gale("run", path, *policy(lab, {"allow": ["10.0.0.0/99"]}))
    assert r.code == 104 and r"policy.json: allow, entry 1: \"10.0.0.0/99\" is no rule" in r.stderr, r.text
    r = lab.gale("run", path, env={"GALE_POLICY": str(lab.file("p.json", "{"))})
    assert r.code == 104 and "p.json:1" in r.stderr, r.text
