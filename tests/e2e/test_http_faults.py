"""Targets that misbehave: each is one failed request, said clearly, and never a crash."""
import struct
import socket
import time

from lab import ok

GET = """
import http from 'k6/http';
export const options = { vus: 1, iterations: 1, %s };
export default function () {
  const r = http.get(__ENV.URL, { timeout: '3s' });
  console.log(`status=${r.status} code=${r.error_code} error=${r.error} body=${r.body === null ? null : String(r.body).length}`);
}
export function handleSummary() { return {}; }
"""


def get(lab, url, options="", *flags):
    r = lab.script(GET % options, "-e", f"URL={url}", *flags)
    assert r.code == 0, r.text
    return [x for x in r.stderr.splitlines() if "status=" in x][-1]


def answer(lab, data, close=True):
    def talk(conn, _):
        conn.sendall(data)
        if not close:
            time.sleep(5)
    return lab.server(talk)


def test_garbage(lab):
    line = get(lab, answer(lab, b"\x00\x01\x02 this is not HTTP\r\n\r\n").url)
    assert "status=0" in line and "code=1000" in line


def test_wrong_content_length(lab):
    line = get(lab, answer(lab, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort").url)
    assert "unexpected EOF" in line, line
    line = get(lab, answer(lab, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc").url)
    assert "status=0" in line, line


def test_huge_chunk(lab):
    line = get(lab, answer(lab, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\nx").url)
    assert "error=" in line and "code=0" not in line, line


def test_endless_headers(lab):
    def talk(conn, _):
        conn.sendall(b"HTTP/1.1 200 OK\r\n")
        for i in range(100000):
            conn.sendall(b"X-%d: %s\r\n" % (i, b"y" * 1000))
    line = get(lab, lab.server(talk).url)
    assert "status=0" in line, line


def test_reset_in_the_body(lab):
    def talk(conn, _):
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\npart")
        time.sleep(0.1)
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        conn.close()
    line = get(lab, lab.server(talk).url)
    assert "code=1220" in line or "reset" in line, line


def test_stall_is_a_timeout(lab):
    line = get(lab, answer(lab, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", close=False).url)
    assert "code=1050" in line, line


def test_no_answer_at_all(lab):
    line = get(lab, answer(lab, b"").url)
    assert "EOF" in line, line


def test_informational_answers_are_passed_over(lab):
    line = get(lab, answer(lab, b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").url)
    assert "status=200" in line and "body=2" in line, line


def test_gzip_bomb_is_bounded(lab):
    import zlib
    pack = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(pack.compress(b"\0" * 1000000) for _ in range(60)) + pack.flush()
    server = lab.server(lambda conn, _: ok(conn, bomb, b"Content-Encoding: gzip\r\n"))
    line = get(lab, server.url, "", "--max-response-body", "10MB")
    assert "error=" in line and "code=0 " not in line, line


def test_body_that_is_not_utf8(lab):
    line = get(lab, lab.server(lambda conn, _: ok(conn, b"a\xff\xfeb")).url)
    assert "status=200" in line and "body=4" in line, line


def test_urls_that_are_none(lab):
    for url in ("http://h\x00st/", "http://", "://x", "ftp://127.0.0.1/", "http://127.0.0.1:99999/"):
        r = lab.script("import http from 'k6/http';\nexport default function () { const r = http.get(%r); console.log(`code=${r.error_code}`); }" % url)
        assert r.code == 0 and "code=1020" in r.stderr, (url, r.text)


def test_certificates(lab):
    good = lab.certificate("localhost")
    server = lab.server(lambda conn, _: ok(conn), tls=good)
    assert "code=1310" in get(lab, server.url.replace("127.0.0.1", "localhost")), "unknown authority"
    assert "status=200" in get(lab, server.url, "insecureSkipTLSVerify: true,")
    plain = lab.server(lambda conn, _: ok(conn))
    line = get(lab, plain.url.replace("http:", "https:"))
    assert "status=0" in line, line


def test_refused_and_blocked(lab):
    assert "code=1212" in get(lab, "http://127.0.0.1:1/")
    assert "code=1110" in get(lab, "http://127.0.0.1:1/", "blacklistIPs: ['127.0.0.0/8'],")
    assert "code=1111" in get(lab, "http://shop.test:1/", "blockHostnames: ['*.test'],")
    server = lab.server(lambda conn, _: ok(conn))
    line = get(lab, f"http://shop.test:{server.port}/", "hosts: { 'shop.test': '127.0.0.1' },")
    assert "status=200" in line, line


def test_bad_answers_do_not_stop_a_run(lab):
    count = [0]

    def talk(conn, _):
        count[0] += 1
        if count[0] % 3 == 0:
            conn.sendall(b"nonsense\r\n\r\n")
        else:
            ok(conn, extra=b"Connection: close\r\n")
    server = lab.server(talk)
    r, m = lab.summary(f"import http from 'k6/http';\nexport const options = {{ vus: 4, iterations: 60 }};\n"
                       f"export default function () {{ http.get('{server.url}/'); }}")
    assert r.code == 0 and m["http_reqs"]["count"] == 60 and m["http_req_failed"]["passes"] == 20, m
