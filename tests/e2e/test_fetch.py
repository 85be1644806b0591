"""fetch, responses read as a stream, and proxies of single requests, against servers that watch."""
import base64
import gzip
import re
import socket
import threading
import time

from lab import ok as answer

HEAD = """
import http from 'k6/http';
import { check } from 'k6';
export const options = { vus: 1, iterations: 1, thresholds: { checks: ['rate==1'] } };
const URL_ = __ENV.URL;
function is(name, got, want) {
  const g = JSON.stringify(got), w = JSON.stringify(want);
  check(null, { [g === w ? name : `${name}: got ${g} want ${w}`]: g === w });
}
async function failure(promise) { try { await promise; return 'no'; } catch (e) { return `${e.name}: ${e.message}`; } }
"""


def ok(conn, body=b"ok", extra=b""):
    """A server of the lab answers once per connection, so it says so."""
    answer(conn, body, extra + b"Connection: close\r\n")


def request_of(conn, data):
    """(path, header text, body) of a request with a Content-Length."""
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    while length and len(body) < int(length[1]):
        body += conn.recv(65536)
    return head.split()[1].decode(), head.decode(), body


def site(lab, tls=None):
    """Echoes, redirects, streams; notes the headers of each request."""
    def talk(conn, data):
        path, head, body = request_of(conn, data)
        server.heads.append(head)
        if path.startswith("/redirect"):
            conn.sendall(b"HTTP/1.1 302 Found\r\nLocation: /echo\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        elif path.startswith("/loop"):
            conn.sendall(b"HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        elif path.startswith("/slow"):
            server.gone = conn.recv(1) == b""
        elif path.startswith("/stall"):
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            server.gone = conn.recv(1) == b""
        elif path.startswith("/cut"):
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        elif path.startswith("/chunked"):
            conn.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
            for i in range(5):
                conn.sendall(b"5\r\npart%d\r\n" % i)
                time.sleep(0.01)
            conn.sendall(b"0\r\n\r\n")
        elif path.startswith("/empty"):
            conn.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n")
        elif path.startswith("/gzip"):
            packed = gzip.compress(b"plain " * 50000)
            ok(conn, packed, b"Content-Encoding: gzip\r\n")
        elif path.startswith("/missing"):
            conn.sendall(b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")
        else:
            ok(conn, body or b'{"path":"%s"}' % path.encode(), b"X-Two: 1\r\nX-Two: 2\r\n")
    server = lab.server(talk, tls)
    server.heads = []
    server.gone = None
    return server


def run(lab, url, text, **env):
    return lab.summary(HEAD + text, "-e", f"URL={url}", env=env)


def passes(result):
    assert result.code == 0, result.text
    assert "level=error" not in result.text, result.text


def test_bodies_and_headers(lab):
    server = site(lab)
    result, metrics = run(lab, server.url, """
export default async function () {
  const r = await fetch(URL_ + '/echo?x=1#there', { headers: { 'X-Mine': 'yes' }, tags: { kind: 'web' } });
  is('status', [r.status, r.ok, r.statusText, r.type, r.redirected], [200, true, 'OK', 'basic', false]);
  is('url', r.url, URL_ + '/echo?x=1');
  is('joined', r.headers.get('x-two'), '1, 2');
  const again = r.clone();
  is('json', await r.json(), { path: '/echo?x=1' });
  is('clone', await again.text(), '{"path":"/echo?x=1"}');
  is('used', [r.bodyUsed, await failure(r.text())], [true, 'TypeError: the body was read already']);
  const post = await fetch(URL_ + '/echo', { method: 'post', body: new URLSearchParams({ a: 'b c' }) });
  is('form', await post.text(), 'a=b+c');
  const bytes = await fetch(URL_ + '/echo', { method: 'PUT', body: new Uint8Array([1, 2, 255]) });
  is('bytes', [...new Uint8Array(await bytes.arrayBuffer())], [1, 2, 255]);
  const stream = new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode('from a ')); c.enqueue('stream'); c.close(); } });
  is('stream', await (await fetch(URL_ + '/echo', { method: 'POST', body: stream })).text(), 'from a stream');
  const empty = await fetch(URL_ + '/empty');
  is('empty', [empty.status, empty.body, await empty.text(), empty.headers.getSetCookie()], [204, null, '', ['a=1', 'b=2']]);
  is('404', [(await fetch(URL_ + '/missing')).ok], [false]);
  is('gzip', (await (await fetch(URL_ + '/gzip')).text()).length, 300000);
  is('refused', /^TypeError: fetch failed: /.test(await failure(fetch('http://127.0.0.1:1/'))), true);
  is('relative', /^TypeError/.test(await failure(fetch('/echo'))), true);
  await Promise.all([1, 2, 3].map((i) => fetch(URL_ + '/echo/' + i).then((x) => x.text())));
}""")
    passes(result)
    assert metrics["http_reqs"]["count"] == 11, metrics["http_reqs"]
    first = server.heads[0].lower()
    assert "x-mine: yes" in first and first.startswith("get /echo?x=1 "), first
    posted = next(h for h in server.heads if h.startswith("POST"))
    assert "application/x-www-form-urlencoded;charset=UTF-8" in posted, posted
    assert "Cookie: a=1; b=2" in server.heads[-1], "the VU's jar is used"


def test_redirect_modes(lab):
    server = site(lab)
    result, metrics = run(lab, server.url, """
export default async function () {
  const r = await fetch(URL_ + '/redirect');
  is('follow', [r.status, r.redirected, r.url], [200, true, URL_ + '/echo']);
  const m = await fetch(URL_ + '/redirect', { redirect: 'manual' });
  is('manual', [m.status, m.redirected, m.headers.get('location')], [302, false, '/echo']);
  is('error', await failure(fetch(URL_ + '/redirect', { redirect: 'error' })),
    "TypeError: fetch failed: a redirect, which redirect: 'error' forbids");
  is('loop', await failure(fetch(URL_ + '/loop')), 'TypeError: fetch failed: more than 20 redirects');
}""")
    passes(result)
    assert metrics["http_reqs"]["count"] == 2 + 1 + 1 + 21, metrics["http_reqs"]


def test_abort_cancels_the_request(lab):
    server = site(lab)
    result, metrics = run(lab, server.url, """
export default async function () {
  const a = new AbortController();
  setTimeout(() => a.abort(), 50);
  is('abort', await failure(fetch(URL_ + '/slow', { signal: a.signal })), 'AbortError: the operation was aborted');
  is('aborted before', await failure(fetch(URL_ + '/slow', { signal: AbortSignal.abort(new Error('mine')) })), 'Error: mine');
  is('timeout', await failure(fetch(URL_ + '/slow', { signal: AbortSignal.timeout(50) })), 'TimeoutError: the operation timed out');
  const b = new AbortController();
  const r = await fetch(URL_ + '/stall', { signal: AbortSignal.any([b.signal, AbortSignal.timeout(60000)]) });
  const reader = r.body.getReader();
  is('a piece', new TextDecoder().decode((await reader.read()).value), 'half');
  setTimeout(() => b.abort(), 50);
  is('in the body', await failure(reader.read()), 'AbortError: the operation was aborted');
  is('cut off', /^TypeError: fetch failed: .*EOF/.test(await failure((await fetch(URL_ + '/cut')).text())), true);
}""")
    passes(result)
    assert server.gone, "the connection was closed"
    assert metrics["http_reqs"]["count"] == 4, metrics["http_reqs"]


def test_stream_of_k6_http(lab):
    server = site(lab)
    result, metrics = run(lab, server.url, """
export default async function () {
  const r = http.get(URL_ + '/chunked', { responseType: 'stream' });
  is('head', [r.status, typeof r.body.getReader], [200, 'function']);
  let text = '', pieces = 0;
  for await (const piece of r.body) { text += new TextDecoder().decode(piece); pieces++; }
  is('text', text, 'part0part1part2part3part4');
  is('again', (await r.body.getReader().read()).done, true);
  const b = await http.asyncRequest('GET', URL_ + '/chunked', null, { responseType: 'stream' });
  const reader = b.body.getReader();
  await reader.read();
  await reader.cancel();
  http.get(URL_ + '/stall', { responseType: 'stream' }); // nobody reads it: it keeps nothing alive
  const c = http.get(URL_ + '/cut', { responseType: 'stream' });
  const cut = c.body.getReader();
  await cut.read();
  is('cut off', /EOF/.test(await failure(cut.read())), true);
  is('batch', await failure((async () => http.batch([['GET', URL_, null, { responseType: 'stream' }]]))()),
    "Error: http.batch() can't stream: use http.asyncRequest() for responseType 'stream'");
  const refused = http.get('http://127.0.0.1:1/', { responseType: 'stream' });
  is('refused', [refused.status, refused.error_code, refused.body], [0, 1212, null]);
  globalThis.kept = b;
}""")
    passes(result)
    assert metrics["http_reqs"]["count"] == 5, metrics["http_reqs"]
    assert metrics["http_req_failed"]["passes"] == 2, metrics["http_req_failed"]


def test_stream_ends_with_its_iteration(lab):
    server = site(lab)
    result, metrics = lab.summary("""
import http from 'k6/http';
import { group } from 'k6';
export const options = { scenarios: { s: { executor: 'constant-vus', vus: 3, duration: '1s', gracefulStop: '0s' } } };
const kept = [];
export default async function () {
  const r = await fetch(__ENV.URL + '/stall');
  kept.push(r, http.get(__ENV.URL + '/stall', { responseType: 'stream' }));
  const reader = r.body.getReader();
  await reader.read();
  await group('waits', async () => { await reader.read(); });
}
export function teardown() { http.get(__ENV.URL + '/stall', { responseType: 'stream' }); }
""", "-e", f"URL={server.url}")
    assert result.code == 0 and "level=error" not in result.text, result.text
    assert metrics["http_reqs"]["count"] == 7, metrics["http_reqs"]
    assert metrics["iterations"]["count"] == 0 if "iterations" in metrics else True


def test_stream_has_back_pressure(lab):
    total = 64 * 1024 * 1024

    def talk(conn, _):
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        block = bytes(1 << 20)
        for _ in range(total >> 20):
            conn.sendall(block)
            server.sent += len(block)

    server = lab.server(talk)
    server.sent = 0
    result, metrics = run(lab, server.url, """
export default async function () {
  const r = await fetch(URL_);
  const reader = r.body.getReader();
  let size = (await reader.read()).value.length;
  await new Promise((resolve) => setTimeout(resolve, 300));
  console.log('wait over');
  http.get(__ENV.WATCH + '/paused');
  for (let x = await reader.read(); !x.done; x = await reader.read()) size += x.value.length;
  is('size', size, 64 * 1024 * 1024);
}""", WATCH=watch(lab, server))
    passes(result)
    assert server.at_pause < total // 2, f"{server.at_pause} bytes went out while nobody read"
    assert metrics["data_received"]["count"] > total


def watch(lab, server):
    def talk(conn, _):
        server.at_pause = server.sent
        ok(conn)
    return lab.server(talk).url


def relay(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
    except OSError:
        pass
    finally:
        b.close()


def proxy(lab, tls=None):
    """An HTTP proxy that notes what it was asked."""
    def talk(conn, data):
        line = data.split(b"\r\n")[0].decode()
        server.lines.append(line)
        server.auth += re.findall(rb"Proxy-Authorization: Basic (\S+)", data)
        if line.startswith("CONNECT"):
            host, port = line.split()[1].split(":")
            up = socket.create_connection((host, int(port)))
            server.tunnels += 1
            conn.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=relay, args=(up, conn), daemon=True)
            back.start()
            relay(conn, up)
            back.join()
        else:
            ok(conn, b"by proxy")
    server = lab.server(talk, tls)
    server.lines, server.auth, server.tunnels = [], [], 0
    return server


def test_proxy_of_one_request(lab):
    server, first, second = site(lab), proxy(lab), proxy(lab)
    result, _ = run(lab, server.url, """
export default async function () {
  is('none', http.get(URL_ + '/a').json('path'), '/a');
  is('one', http.get(URL_ + '/b', { proxy: __ENV.FIRST }).body, 'by proxy');
  is('other', http.get(URL_ + '/c', { proxy: __ENV.SECOND }).body, 'by proxy');
  is('straight', http.get('http://localhost:' + URL_.split(':')[2] + '/d', { proxy: '' }).json('path'), '/d');
  is('fetch', await (await fetch(URL_ + '/e', { proxy: __ENV.FIRST })).text(), 'by proxy');
  is('bad', await failure((async () => http.get(URL_, { proxy: 'gopher://x' }))()),
    'Error: params.proxy: a proxy of this kind is not supported: "gopher://x" (use http://, https:// or socks5://)');
}""", FIRST=first.url.replace("//", "//us:p%40ss@"), SECOND=second.url)
    passes(result)
    assert [x.split("/")[-2].split()[0] for x in first.lines] == ["b", "e"], first.lines
    assert len(second.lines) == 1 and second.auth == [], second.lines
    assert base64.b64decode(first.auth[0]) == b"us:p@ss", first.auth
    assert len(server.heads) == 2


def test_proxy_with_tls(lab):
    plain, secret = site(lab), site(lab, lab.certificate("shop.test"))
    through = proxy(lab, lab.certificate("proxy.test"))
    trusting = {"K6_INSECURE_SKIP_TLS_VERIFY": "true", "PROXY": through.url, "SECRET": secret.url}
    result, _ = run(lab, plain.url, """
export default function () {
  is('plain', http.get(URL_ + '/a', { proxy: __ENV.PROXY }).body, 'by proxy');
  const r = http.post(__ENV.SECRET + '/b', 'x'.repeat(300000), { proxy: __ENV.PROXY });
  is('TLS in TLS', [r.status, r.body.length, r.tls_version], [200, 300000, 'tls1.3']);
  is('again', http.get(__ENV.SECRET + '/c', { proxy: __ENV.PROXY }).json('path'), '/c');
}""", **trusting)
    passes(result)
    assert through.tunnels == 2 and len(secret.heads) == 2, through.lines
    result, _ = run(lab, plain.url, """
export default function () {
  const r = http.get(__ENV.SECRET, { proxy: __ENV.PROXY });
  is('not trusted', [r.status, r.error_code], [0, 1311]);
}""", PROXY=through.url, SECRET=secret.url)
    passes(result)
    assert "proxyconnect tcp: tls: failed to verify" in result.text, result.text
