"""Options and their flags, one by one: what a target or a summary sees of each."""
import http.server
import json
import re
import threading
import time

from lab import ok

HTTP = "import http from 'k6/http';\n"


class Target:
    """An HTTP/1.1 server with keep-alive that answers with the request it saw, as JSON."""

    def __init__(self, lab, tls=None):
        seen = self.seen = []
        target = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one packet

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode("latin1")
                seen.append({"method": self.command, "path": self.path, "body": body, "peer": self.client_address,
                             "headers": {k.lower(): v for k, v in self.headers.items()}})
                reply = json.dumps(seen[-1]).encode()
                left = int(self.path.rsplit("/", 1)[-1]) if self.path.startswith("/redirect/") else 0
                if self.path.startswith("/slow"):
                    time.sleep(0.05)
                self.send_response(302 if left else 200)
                if left:
                    self.send_header("Location", f"/redirect/{left - 1}")
                if self.path == "/cookie":
                    self.send_header("Set-Cookie", "seen=yes; Path=/")
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(reply)

            do_GET = do_POST = do_HEAD = do_CONNECT = answer

            def log_message(self, *_):
                pass

            def setup(self):
                target.connections += 1
                super().setup()

        self.connections = 0
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        lab.closing.append(self.server.server_close)
        lab.closing.append(self.server.shutdown)


def run(lab, body, options, *flags, env=None, code=0):
    r = lab.script(f"{HTTP}export const options = {{ {options} }};\nexport default function () {{ {body} }}", *flags, env=env)
    assert r.code == code, r.text
    return r


def test_user_agent(lab):
    t = Target(lab)
    get = f"http.get('{t.url}/');"
    run(lab, get, "")
    assert re.fullmatch(r"gale/\d+\.\d+\.\d+", t.seen[-1]["headers"]["user-agent"]), t.seen[-1]
    run(lab, get, "userAgent: 'mine/1'")
    assert t.seen[-1]["headers"]["user-agent"] == "mine/1"
    run(lab, get, "userAgent: 'mine/1'", "--user-agent", "flag/2")
    assert t.seen[-1]["headers"]["user-agent"] == "flag/2"
    run(lab, get, "userAgent: 'mine/1'", env={"K6_USER_AGENT": ""})
    assert "user-agent" not in t.seen[-1]["headers"], t.seen[-1]


def test_max_redirects(lab):
    t = Target(lab)
    show = f"const r = http.get('{t.url}/redirect/12'); console.log(`${{r.status}} ${{r.url}}`);"
    r = run(lab, show, "")
    assert "302" in r.stderr and "/redirect/2" in r.stderr, r.stderr
    assert "level=warning" in r.stderr and "redirect" in r.stderr
    r = run(lab, show, "maxRedirects: 20")
    assert "200" in r.stderr and "/redirect/0" in r.stderr, r.stderr
    r = run(lab, show, "maxRedirects: 20", "--max-redirects", "0")
    assert "302" in r.stderr and "/redirect/12" in r.stderr and "level=warning" not in r.stderr, r.stderr


def test_throw(lab):
    body = "http.get('http://127.0.0.1:1/'); console.log('went on');"
    r = run(lab, body, "")
    assert "went on" in r.stderr and "level=warning" in r.stderr
    for options, flags, env in (("throw: true", [], {}), ("", ["-w"], {}), ("", [], {"K6_THROW": "true"})):
        r = run(lab, body, options, *flags, env=env)
        assert "went on" not in r.stderr and "connection refused" in r.stderr and "level=error" in r.stderr, r.stderr


def test_discard_response_bodies(lab):
    t = Target(lab)
    body = f"console.log(http.get('{t.url}/').body === null, http.get('{t.url}/', {{ responseType: 'text' }}).body.length > 0);"
    for options, flags in (("discardResponseBodies: true", []), ("", ["--discard-response-bodies"])):
        assert "true true" in run(lab, body, options, *flags).stderr
    assert "false true" in run(lab, body, "").stderr


def test_connections(lab):
    t = Target(lab)
    body = f"http.get('{t.url}/'); http.get('{t.url}/');"
    for options, flags, want in (("iterations: 3, vus: 1", [], 1), ("iterations: 3, vus: 1, noConnectionReuse: true", [], 6),
                                 ("iterations: 3, vus: 1", ["--no-connection-reuse"], 6),
                                 ("iterations: 3, vus: 1, noVUConnectionReuse: true", [], 3),
                                 ("iterations: 3, vus: 1", ["--no-vu-connection-reuse"], 3)):
        t.connections = 0
        run(lab, body, options, *flags)
        assert t.connections == want, (options, flags, t.connections)


def test_cookies_reset(lab):
    t = Target(lab)
    body = f"const r = http.get('{t.url}/cookie'); console.log(`${{__ITER}}:${{r.json('headers.cookie')}}`);"
    r = run(lab, body, "iterations: 2, vus: 1")
    assert "1:undefined" in r.stderr, r.stderr
    r = run(lab, body, "iterations: 2, vus: 1, noCookiesReset: true")
    assert "0:undefined" in r.stderr and "1:seen=yes" in r.stderr, r.stderr


def test_batch_limits(lab):
    t = Target(lab)
    body = (f"const all = Array(6).fill('{t.url}/slow'); const start = Date.now(); http.batch(all);"
            "console.log(`took ${Math.floor((Date.now() - start) / 50)}`);")

    def took(options, *flags):
        return int(re.search(r"took (\d+)", run(lab, body, options, *flags).stderr)[1])

    assert took("") < took("batch: 1") and took("batch: 1") >= 6
    assert took("batchPerHost: 2") >= 3 and took("", "--batch-per-host", "1") >= 6 and took("", "--batch", "3") >= 2


def test_hosts(lab):
    t = Target(lab)
    for host, to in (("shop.test", f"127.0.0.1:{t.port}"), (f"shop.test:{t.port}", "127.0.0.1"), ("*.test", f"127.0.0.1:{t.port}"),
                     (f"shop.test:{t.port}", f"127.0.0.1:{t.port}")):
        run(lab, f"http.get('http://shop.test:{t.port}/', {{ throw: true }});", f"hosts: {{ '{host}': '{to}' }}, throw: true")
        assert t.seen[-1]["headers"]["host"] == f"shop.test:{t.port}"
    run(lab, "http.get('http://shop.test/');", "throw: true", env={"K6_HOSTS": f"x.test:127.0.0.1,shop.test:127.0.0.1:{t.port}"})
    assert t.seen[-1]["headers"]["host"] == "shop.test"


def test_addresses_that_are_refused(lab):
    def code(options, *flags, env=None):
        return re.search(r"code=(\d+)", run(lab, "console.log(`code=${http.get(__ENV.URL).error_code}`);", options, *flags,
                                            "-e", "URL=http://a.shop.test:1/", env=env).stderr)[1]

    host = "hosts: { 'a.shop.test': '127.0.0.1' }, "
    assert code(host) == "1212"
    assert code(host + "blacklistIPs: ['10.0.0.0/8', '127.0.0.0/8']") == "1110"
    assert code(host, "--blacklist-ip", "127.0.0.0/8") == "1110"
    assert code(host, env={"K6_BLACKLIST_IPS": "127.0.0.0/8"}) == "1110"
    assert code(host + "blockHostnames: ['*.shop.test']") == "1111"
    assert code(host, "--block-hostnames", "a.shop.test") == "1111"
    assert code(host, "--block-hostnames", "b.shop.test") == "1212"


def test_local_ips(lab):
    t = Target(lab)
    run(lab, f"http.get('{t.url}/');", "scenarios: { a: { executor: 'per-vu-iterations', vus: 4, iterations: 1 } }",
        "--local-ips", "127.0.0.2-127.0.0.3,127.0.0.4/32")
    assert sorted(x["peer"][0] for x in t.seen) == ["127.0.0.2", "127.0.0.2", "127.0.0.3", "127.0.0.4"], t.seen


def test_dns_flag(lab):
    t = Target(lab)
    r = run(lab, f"console.log(http.get('http://localhost:{t.port}/').status);", "", "--dns", "ttl=0,select=first,policy=onlyIPv4")
    assert "msg=200" in r.stderr
    r = lab.script("export default function () {}", "--dns", "ttl=soon")
    assert r.code == 104 and "soon" in r.stderr
    r = run(lab, "console.log(http.get('http://localhost:1/').error_code);", "dns: { ttl: 'inf', select: 'roundRobin', policy: 'preferIPv6' }")
    assert "1212" in r.stderr


def test_http_debug(lab):
    t = Target(lab)
    body = f"http.post('{t.url}/debug', 'the body');"
    r = run(lab, body, "", "--http-debug")
    assert "POST /debug HTTP/1.1" in r.stderr and "HTTP/1.1 200 OK" in r.stderr and "the body" not in r.stderr, r.stderr
    ids = re.findall(r'level=info msg="(?:Request|Response):.* iter=0 request_id=(\S+) scenario=default source=http-debug vu=1', r.stderr)
    assert len(ids) == 2 and ids[0] == ids[1], r.stderr
    for options, flags in (("", ["--http-debug=full"]), ("httpDebug: 'full'", [])):
        assert "the body" in run(lab, body, options, *flags).stderr


def test_tls_versions_and_ciphers(lab):
    t = Target(lab, tls=lab.certificate("localhost"))
    t.url = t.url.replace("127.0.0.1", "localhost")
    body = f"const r = http.get('{t.url}/'); console.log(`${{r.tls_version}} ${{r.tls_cipher_suite}} ${{r.error_code}}`);"
    free = "insecureSkipTLSVerify: true"
    assert "tls1.3" in run(lab, body, free).stderr
    assert "tls1.3" in run(lab, body, "", "--insecure-skip-tls-verify").stderr
    assert "1310" in run(lab, body, "").stderr
    assert "tls1.2" in run(lab, body, free + ", tlsVersion: 'tls1.2'").stderr
    assert "tls1.2" in run(lab, body, free + ", tlsVersion: { min: 'tls1.0', max: 'tls1.2' }").stderr
    name = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
    r = run(lab, body, free + f", tlsVersion: {{ max: 'tls1.2' }}, tlsCipherSuites: ['{name}']")
    assert f"tls1.2 {name}" in r.stderr, r.stderr


def test_tls_key_log(lab):
    t = Target(lab, tls=lab.certificate("localhost"))
    run(lab, f"http.get('{t.url}/');", "insecureSkipTLSVerify: true, throw: true", env={"SSLKEYLOGFILE": "keys.txt"})
    assert "CLIENT_TRAFFIC_SECRET_0 " in (lab.dir / "keys.txt").read_text()


def test_proxies_of_the_environment(lab):
    t = Target(lab)
    body = "http.get('http://shop.test/x'); http.get('http://127.0.0.1:1/y');"
    for name in ("HTTP_PROXY", "http_proxy"):
        run(lab, body, "", env={name: t.url, "NO_PROXY": "127.0.0.1"})
        assert t.seen[-1]["path"] == "http://shop.test/x" and len(t.seen) == 1, t.seen
        t.seen.clear()
    run(lab, "http.get('https://shop.test/x');", "", env={"HTTPS_PROXY": t.url})
    assert [t.seen[0]["method"], t.seen[0]["path"]] == ["CONNECT", "shop.test:443"], t.seen


def test_no_setup_and_no_teardown(lab):
    script = ("export function setup() { console.log('SETUP'); return 1; }\nexport function teardown() { console.log('TEARDOWN'); }\n"
              "export default function (data) { console.log('data', data); }\n")
    r = lab.script(script)
    assert "SETUP" in r.stderr and "TEARDOWN" in r.stderr and "data 1" in r.stderr
    r = lab.script(script, "--no-setup")
    assert "SETUP" not in r.stderr and "TEARDOWN" in r.stderr and "data undefined" in r.stderr
    r = lab.script(script, "--no-teardown")
    assert "SETUP" in r.stderr and "TEARDOWN" not in r.stderr
    r = lab.script("export const options = { noSetup: true, noTeardown: true };\n" + script)
    assert "SETUP" not in r.stderr and "TEARDOWN" not in r.stderr


def test_no_thresholds(lab):
    script = "export const options = { thresholds: { iterations: ['count>5'] } };\nexport default function () {}\n"
    assert lab.script(script).code == 99
    assert lab.script(script, "--no-thresholds").code == 0
    assert lab.script(script, env={"K6_NO_THRESHOLDS": "true"}).code == 0
    assert lab.script(script, env={"K6_THRESHOLDS": '{"iterations":["count==1"]}'}).code == 0


def test_trend_stats_and_time_unit(lab):
    script = "export default function () {}"
    r = lab.script(script, "--summary-trend-stats", "min,p(99.5),count", "--summary-time-unit", "s")
    line = next(x for x in r.stdout.splitlines() if "iteration_duration" in x)
    assert re.search(r"\.: min=[\d.]+s +p\(99\.5\)=[\d.]+s +count=1$", line), line
    r = lab.script("export const options = { summaryTrendStats: ['avg'], summaryTimeUnit: 'us' };\n" + script)
    assert re.search(r"iteration_duration\.+: avg=[\d.]+µs$", r.stdout, re.M), r.stdout
    assert lab.script(script, "--summary-time-unit", "fortnight").code == 104


def points(path, metric):
    return [x["data"] for x in map(json.loads, path.read_text().splitlines()) if x["metric"] == metric and x["type"] == "Point"]


def test_tags_of_flags(lab):
    t = Target(lab)
    out = lab.dir / "out.json"
    run(lab, f"http.get('{t.url}/x');", "tags: { mine: '1' }", "--tag", "a=1", "--tag", "b=2", "--system-tags", "url,vu,ip", "-o", f"json={out}")
    p = points(out, "http_reqs")[0]
    assert p["tags"] == {"a": "1", "b": "2", "ip": "127.0.0.1", "url": f"{t.url}/x"} and p["metadata"] == {"vu": "1"}, p
    run(lab, f"http.get('{t.url}/x');", "tags: { mine: '1' }, systemTags: ['status', 'iter']", "-o", f"json={out}")
    p = points(out, "http_reqs")[0]
    assert p["tags"] == {"mine": "1", "status": "200"} and p["metadata"] == {"iter": "0"}, p


def test_vus_alone_replaces_scenarios(lab):
    script = "export const options = { scenarios: { a: { executor: 'per-vu-iterations', vus: 1, iterations: 9 } } };\nexport default function () {}"
    path = lab.file("s.js", script)
    got = json.loads(lab.gale("inspect", "--execution-requirements", "--vus", "3", path).stdout)
    assert got["scenarios"] is None and got["maxVUs"] == 3, got
    assert "iterations...........: 3" in lab.script(script, "--vus", "3").stdout
    r = lab.script(script, "-i", "2")
    assert "iterations...........: 2" in r.stdout and "level=warning" in r.stderr, r.text


def test_console_output(lab):
    script = "export default function () { console.log('to the file'); }"
    for flags, env in ((["--console-output", "a.txt"], {}), ([], {"K6_CONSOLE_OUTPUT": "a.txt"})):
        r = lab.script(script, *flags, env=env)
        assert "to the file" not in r.text and "to the file" in (lab.dir / "a.txt").read_text()
        (lab.dir / "a.txt").unlink()


def test_warnings_of_requests(lab):
    t = Target(lab)
    r = run(lab, f"http.get('{t.url}/', {{}}, 'too much'); http.post('{t.url}/', 'four', {{ headers: {{ 'Content-Length': '99' }} }});", "")
    warnings = [x for x in r.stderr.splitlines() if "level=warning" in x]
    assert any("http.get()" in x and "ignored" in x for x in warnings), r.stderr
    assert any("Content-Length" in x for x in warnings), r.stderr
    assert t.seen[-1]["headers"]["content-length"] == "4"
