"""Secrets behind a URL: what is asked, how often, what of the answer is the value, what the log shows."""
import json
import re
import threading

from lab import ok

SCRIPT = """
import secrets from 'k6/secrets';
export const options = { vus: 1, iterations: 1 };
export default async function () {
  %s
}
export function handleSummary() { return {}; }
"""
ASK = """
  for (const key of (__ENV.KEYS || 'token').split(',')) {
    try { const v = await secrets.get(key); console.log(`${key}: ${v.length} characters, ${v}`); }
    catch (e) { console.log(`${key} failed: ${e.message}`); }
  }"""


class Vault:
    """Answers by the path's last part; notes every request."""

    def __init__(self, lab, tls=None, **pages):
        self.pages = pages
        self.heads = []
        self.lock = threading.Lock()
        self.server = lab.server(self.talk, tls)
        self.url = self.server.url
        self.lab = lab

    def talk(self, conn, data):
        head = data.decode()
        with self.lock:
            self.heads.append(head)
        page = self.pages.get(head.split()[1].split("?")[0].rsplit("/", 1)[1])
        if callable(page):
            page(conn)
        elif page is None:
            conn.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        else:
            ok(conn, page if isinstance(page, bytes) else page.encode())

    def paths(self):
        return [h.split()[1] for h in self.heads]

    def run(self, *config, text=SCRIPT % ASK, flags=(), **env):
        config = [f"urlTemplate={self.url}/v1/{{key}}", *config] if config is not None else []
        return self.lab.script(text, "--secret-source=" + ",".join(["url=" + config[0], *config[1:]]),
                               *flags, env=env)


def status(code, times=None, then=b""):
    """A page that answers with a status, the first so many times."""
    left = [times]

    def page(conn):
        if left[0] == 0:
            return ok(conn, then)
        if left[0]:
            left[0] -= 1
        conn.sendall(b"HTTP/1.1 %d Because\r\nContent-Length: 0\r\n\r\n" % code)
    return page


def test_the_whole_answer(lab):
    vault = Vault(lab, token="hunter2")
    r = vault.run("headers.Authorization=Bearer a=b", "headers.X-Two=2")
    assert r.code == 0 and "token: 7 characters, ***SECRET_REDACTED***" in r.stderr, r.text
    assert "hunter2" not in r.text
    head = vault.heads[0]
    assert head.startswith("GET /v1/token HTTP/1.1\r\n"), head
    assert "Authorization: Bearer a=b\r\n" in head and "X-Two: 2\r\n" in head, head


def test_a_value_in_json(lab):
    vault = Vault(lab, token=json.dumps({"data": {"list": [{"value": "s\"w\\ord\nfish"}], "n": 4711}}))
    r = vault.run("responsePath=data.list.0.value", "method=POST")
    assert r.code == 0 and "token: 12 characters, ***SECRET_REDACTED***" in r.stderr, r.text
    assert "fish" not in r.text
    assert vault.heads[0].startswith("POST /v1/token"), vault.heads
    r = vault.run("responsePath=data.n")
    assert "token: 4 characters" in r.stderr and "4711" not in r.text, r.text
    r = vault.run("responsePath=data.none")
    assert 'the secret "token": the answer is no JSON with a value at responsePath \'data.none\'' in \
        r.stderr.replace('\\"', '"'), r.text


def test_each_key_is_asked_once_by_a_worker(lab):
    vault = Vault(lab, a="apple", b="banana")
    text = SCRIPT % """
  const [a, again, b] = await Promise.all([secrets.get('a'), secrets.get('a'), secrets.get('b')]);
  if (a !== 'app' + 'le' || again !== a || b.length !== 6) throw new Error('wrong');"""
    r = vault.run(text=text.replace("vus: 1, iterations: 1", "vus: 20, iterations: 200"), flags=["--workers", "2"])
    assert r.code == 0 and "wrong" not in r.stderr, r.text
    counts = {p: vault.paths().count(p) for p in vault.paths()}
    assert set(counts) == {"/v1/a", "/v1/b"} and max(counts.values()) <= 2, counts


def test_keys_are_escaped(lab):
    vault = Vault(lab)
    vault.run(flags=["-e", "KEYS=a/b ?c#d&e/../f"])
    assert vault.paths() == ["/v1/a%2Fb%20%3Fc%23d&e%2F..%2Ff"], vault.paths()


def test_init_setup_and_other_sources(lab):
    vault = Vault(lab, token="hunter2", two="sesame")
    text = """
import secrets from 'k6/secrets';
const early = await secrets.get('token');
export async function setup() { return { key: (await secrets.source('second').get('key')).length }; }
export default async function (data) { console.log(`early ${early.length}, setup ${data.key}`); }
export function handleSummary() { return {}; }
"""
    r = vault.run("name=first", "default", text=text, flags=[
        f"--secret-source=url=name=second,urlTemplate={vault.url}/two?k={{key}}&x=1",
        "--secret-source=mock=a=b"])
    assert r.code == 0 and "early 7, setup 6" in r.stderr, r.text
    # The VU of the first look, and each worker.
    assert [p for p in vault.paths() if p.startswith("/two")] == ["/two?k=key&x=1"], vault.paths()


def test_settings_from_a_file_and_the_environment(lab):
    vault = Vault(lab, token=json.dumps({"v": "hunter2", "w": "swordfish"}))
    config = lab.file("vault.json", json.dumps({
        "urlTemplate": vault.url + "/file/{key}", "headers": {"X-From": "file", "X-File": "1"},
        "responsePath": "v", "maxRetries": 0, "timeout": "10s"}))
    env = {"K6_SECRET_SOURCE_URL_URL_TEMPLATE": vault.url + "/env/{key}",
           "K6_SECRET_SOURCE_URL_HEADER_X_FROM": "environment",
           "K6_SECRET_SOURCE_URL_HEADER_X_ENV": "1", "K6_SECRET_SOURCE_URL_RESPONSE_PATH": "w"}
    r = lab.script(SCRIPT % ASK, "--secret-source=url", env=env)
    assert r.code == 0 and "token: 9 characters" in r.stderr, r.text
    assert vault.heads[0].startswith("GET /env/token") and "X-FROM: environment" in vault.heads[0].replace("X-From", "X-FROM")
    r = lab.script(SCRIPT % ASK, f"--secret-source=url=config={config}", env=env)
    assert "token: 7 characters" in r.stderr, r.text
    assert vault.heads[1].startswith("GET /file/token"), vault.heads
    assert "X-From: file" in vault.heads[1] and "X-File: 1" in vault.heads[1]
    r = lab.script(SCRIPT % ASK, f"--secret-source=url=responsePath=w,config={config}", env=env)
    assert "token: 9 characters" in r.stderr, "the flag counts more than the file, wherever it stands"
    r = lab.script(SCRIPT % ASK, env={**env, "K6_SECRET_SOURCE": f"url=config={config}"})
    assert "token: 7 characters" in r.stderr, r.text


def test_settings_that_are_none(lab):
    for config, text in (
            ("", "urlTemplate is missing"), ("urlTemplate=ftp://x/{key}", "neither with https://"),
            ("urlTemplate=https://x/,speed=1", "there is no 'speed': use urlTemplate, method"),
            ("timeout=soon", "timeout: 'soon' is no duration"), ("timeout=-1s", "is no duration"),
            ("maxRetries=101", "no number from 0 to 100"), ("requestsPerMinuteLimit=0", "requestsPerMinuteLimit"),
            ("requestsBurst=x", "requestsBurst"), ("headers.a b=1", "'a b' is no header"),
            ("config=none.json", "none.json"), ("config=bad.json", "bad.json:1:"),
            ("config=list.json", "no JSON object"), ("config=odd.json", "odd.json:1:1: --secret-source=url: timeout")):
        lab.file("bad.json", "{")
        lab.file("list.json", "[1]")
        lab.file("odd.json", '{"timeout": {}}')
        r = lab.script("export default function () {}", f"--secret-source=url={config}")
        assert r.code == 104 and text in r.stderr, (config, r.text)
    r = lab.script("export default function () {}", "--secret-source=url",
                   env={"K6_SECRET_SOURCE_URL_TIMEOUT": "never"})
    assert r.code == 104 and "K6_SECRET_SOURCE_URL_TIMEOUT: " in r.stderr, r.text
    r = lab.script("export default function () {}", "--secret-source=vault=x")
    assert r.code == 104 and "use file, mock or url" in r.stderr, r.text


def test_tries(lab):
    vault = Vault(lab, good=status(503, 2, b"fine"), busy=status(429, 1, b"fine"), bad=status(500),
                  mine=status(403))
    r = vault.run("maxRetries=2", "retryBackoff=1ms", flags=["-e", "KEYS=good,busy,mine,bad,gone"])
    log = r.stderr.replace('\\"', '"')
    assert "good: 4 characters" in log and "busy: 4 characters" in log, r.text
    assert 'mine failed: the secret "mine": the server answered with status 403' in log, r.text
    assert 'bad failed: the secret "bad": the server answered with status 500' in log, r.text
    assert 'gone failed: the secret "gone": the server answered with status 404' in log, r.text
    counts = {key: vault.paths().count(f"/v1/{key}") for key in ("good", "busy", "mine", "bad", "gone")}
    assert counts == {"good": 3, "busy": 2, "mine": 1, "bad": 3, "gone": 1}, counts


def test_servers_that_misbehave(lab):
    def stall(conn):
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        conn.recv(1)
    vault = Vault(lab, stall=stall, big=b"x" * (24 * 1024 + 1), most=b"y" * (24 * 1024),
                  garbage=lambda conn: conn.sendall(b"\0\1\2\r\n\r\n"), empty=b"",
                  loop=lambda conn: conn.sendall(
                      b"HTTP/1.1 302 Found\r\nLocation: /v1/loop\r\nContent-Length: 0\r\n\r\n"))
    r = vault.run("maxRetries=0", "timeout=500ms", flags=["-e", "KEYS=stall,big,most,garbage,empty,loop"])
    log = r.stderr.replace('\\"', '"')
    assert 'stall failed: the secret "stall": no complete answer within 500ms' in log, r.text
    assert 'big failed: the secret "big" has more than 24576 bytes' in log, r.text
    assert "most: 24576 characters" in log and "garbage failed" in log, r.text
    assert "empty: 0 characters" in log and "more than 10 redirects" in log, r.text
    vault.server.close()
    r = vault.run("maxRetries=1", "retryBackoff=1ms")
    assert "refused" in r.stderr, r.text


def test_headers_stay_with_their_origin(lab):
    other = Vault(lab, there="hunter2")

    def away(conn):
        conn.sendall(b"HTTP/1.1 302 Found\r\nLocation: %s/v1/there\r\nContent-Length: 0\r\n\r\n" % other.url.encode())
    vault = Vault(lab, token=away)
    r = vault.run("headers.Authorization=Bearer mine", "method=POST")
    assert "token: 7 characters" in r.stderr, r.text
    assert other.heads[0].startswith("GET ") and "Bearer" not in other.heads[0], other.heads


def test_certificates_are_verified(lab):
    vault = Vault(lab, lab.certificate("localhost"), token="hunter2")
    vault.url = vault.url.replace("127.0.0.1", "localhost")
    r = vault.run("maxRetries=0", flags=["--insecure-skip-tls-verify"])
    assert "certificate" in r.stderr and not vault.heads, r.text
    r = vault.run("maxRetries=0", SSL_CERT_FILE=str(lab.dir / "localhost.pem"))
    assert "token: 7 characters" in r.stderr, r.text


def test_a_limit_of_requests_queues_them(lab):
    vault = Vault(lab, **{f"k{i}": f"value{i}" for i in range(6)})
    text = SCRIPT % "const all = await Promise.all([0, 1, 2, 3, 4, 5].map((i) => secrets.get(`k${i}`)));\n console.log(all.length);"
    r = vault.run("requestsPerMinuteLimit=600", "requestsBurst=2", text=text)
    assert r.code == 0 and len(vault.heads) == 6, r.text
    # One token left of a slow limit: the rest of an iteration that ends is not waited for.
    r = vault.run("requestsPerMinuteLimit=1", "requestsBurst=1", text=text.replace(
        "vus: 1, iterations: 1", "scenarios: { s: { executor: 'constant-vus', vus: 1, duration: '1s', gracefulStop: '0s' } }"))
    assert r.code == 0 and len(vault.heads) == 7, r.text


def test_logs_hide_it_in_every_form(lab):
    key = "-----BEGIN KEY-----\nab\"cd\\ef\n-----END KEY-----\n"
    vault = Vault(lab, pem=key)
    text = SCRIPT % """
  const pem = await secrets.get('pem');
  console.log(pem);
  console.error({ pem });
  console.warn(JSON.stringify([pem]));
  console.log(pem.length);
  throw new Error(pem);"""
    for flags in ([], ["--log-format", "json"], ["--log-format", "raw"]):
        r = vault.run(text=text, flags=flags)
        assert r.code == 0 and str(len(key)) in r.stderr, r.text
        assert "BEGIN" not in r.text and "END KEY" not in r.text, r.text
        assert len(re.findall("SECRET_REDACTED", r.stderr)) >= 4, r.text
