"""k6/net/grpc against a real server (python3-grpcio): see grpc_server.py and protos/."""
import pathlib
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
PROTOS = HERE / "protos"


class Server:
    """The gRPC server in a process of its own; `tls` is (certificate file, key file)."""

    def __init__(self, tls=()):
        self.proc = subprocess.Popen(["/usr/bin/python3", HERE / "grpc_server.py", PROTOS, *tls],
                                     stdout=subprocess.PIPE, text=True)
        word, port = self.proc.stdout.readline().split()
        assert word == "ready"
        self.address = f"127.0.0.1:{port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.proc.kill()
        self.proc.wait()


def run(lab, body, address, *flags, init="", load=f"client.load(['{PROTOS}'], 'hello.proto');"):
    """Runs `body` in one iteration, with `client` loaded and `eq` to compare with."""
    return lab.script(f"""
        import grpc from 'k6/net/grpc';
        import {{ check }} from 'k6';
        export const options = {{ iterations: 1, thresholds: {{ checks: ['rate==1'] }} }};
        const client = new grpc.Client();
        {load}
        {init}
        const text = JSON.stringify;
        function eq(name, got, want) {{
          if (!check(0, {{ [name]: () => text(got) === text(want) }}))
            console.error(name, 'got', text(got), 'want', text(want));
        }}
        export default async function () {{ {body} }}
    """, *flags, env={"ADDRESS": address})


def test_unary(lab):
    body = """
        client.connect(__ENV.ADDRESS, { plaintext: true });
        const at = '2026-01-02T03:04:05Z';
        const r = client.invoke('hello.Greeter/SayHello', {
          name: 'ann', big: '9007199254740993', tags: ['a', 'b', 'a'], color: 'GREEN', at,
        }, { metadata: { 'x-sent': 'yes' }, tags: { own: 'tag' } });
        eq('status', [r.status, grpc.StatusOK, r.error], [0, 0, null]);
        eq('name', r.message.message, 'hello ann');
        eq('64 bits', r.message.big, '9007199254740993');
        eq('map', [r.message.counts.a, r.message.counts.b], [2, 1]);
        eq('enum and time', [r.message.color, r.message.at], ['GREEN', at]);
        eq('headers', r.headers['x-first'], ['one']);
        eq('binary header', r.headers['x-bin'], ['\\u0001\\u0002']);
        eq('trailers', r.trailers['x-last'], ['yes']);
        const other = client.invoke('/hello.Greeter/SayHello', {}, { discardResponseMessage: true });
        eq('discarded', [other.status, other.message, other.trailers['x-last']], [0, null, ['none']]);
        const all = await Promise.all([1, 2, 3].map((i) =>
          client.asyncInvoke('hello.Greeter/SayHello', { name: `n${i}` })));
        eq('async', all.map((x) => x.message.message), ['hello n1', 'hello n2', 'hello n3']);
        eq('healthy', client.healthCheck().Status, grpc.HealthCheckServing);
        const health = client.healthCheck('hello');
        eq('its message', [health.status, health.message.status], [grpc.StatusOK, grpc.HealthCheckServing]);
        eq('unknown service', client.healthCheck('nope').status, grpc.StatusNotFound);
        client.close();
    """
    with Server() as server:
        r = run(lab, body, server.address)
    assert r.code == 0, r.text
    assert "grpc_req_duration" in r.stdout, r.text


def test_errors(lab):
    body = """
        const why = (fn) => { try { fn(); return 'nothing'; } catch (e) { return e.message; } };
        eq('not connected', why(() => client.invoke('hello.Greeter/SayHello', {})),
           'no gRPC connection, you must call connect first');
        eq('refused', why(() => client.connect('127.0.0.1:1', { plaintext: true })).includes('refused'), true);
        eq('no port', why(() => client.connect('localhost')).includes('host:port'), true);
        client.connect(__ENV.ADDRESS, { plaintext: true });
        const r = client.invoke('hello.Greeter/Fail', { name: 'no such thing' });
        eq('code', [r.status, r.message], [grpc.StatusNotFound, null]);
        eq('error', [r.error.code, r.error.message], [5, 'no such thing']);
        eq('details', r.error.details[0]['@type'], 'type.googleapis.com/hello.Number');
        const late = client.invoke('hello.Greeter/Slow', {}, { timeout: '100ms' });
        eq('timeout', late.status, grpc.StatusDeadlineExceeded);
        eq('fits', client.invoke('hello.Greeter/Big', { big: 4000000 }).message.message.length, 4000000);
        const big = client.invoke('hello.Greeter/Big', { big: 5000000 });
        eq('too large', big.status, grpc.StatusResourceExhausted);
        eq('no such method', why(() => client.invoke('hello.Greeter/Nope', {})),
           'method "hello.Greeter/Nope" not found in file descriptors');
        eq('unknown field', why(() => client.invoke('hello.Greeter/SayHello', { nam: 1 })).includes("'nam'"), true);
        eq('a stream', why(() => client.invoke('hello.Greeter/Count', {})).includes('grpc.Stream'), true);
        client.connect(__ENV.ADDRESS, { plaintext: true, maxReceiveSize: 9000000, maxSendSize: 100 });
        eq('larger limit', client.invoke('hello.Greeter/Big', { big: 8000000 }).message.message.length, 8000000);
        eq('sent too much', why(() => client.invoke('hello.Greeter/SayHello', { name: 'x'.repeat(200) }))
           .includes('maxSendSize'), true);
        eq('plaintext against TLS', why(() => client.connect(__ENV.ADDRESS, {})).length > 0, true);
    """
    with Server() as server:
        r = run(lab, body, server.address)
    assert r.code == 0, r.text


def test_streams(lab):
    body = """
        client.connect(__ENV.ADDRESS, { plaintext: true });
        const got = [];
        const done = (stream) => new Promise((resolve) => {
          stream.on('error', (e) => got.push(`error ${e.code}`));
          stream.on('end', resolve);
        });
        const count = new grpc.Stream(client, 'hello.Greeter/Count');
        count.on('data', (m, meta) => got.push(m.message, typeof meta.ts));
        count.write({ name: 'no', big: 2 });
        count.end();
        await done(count);
        const sum = new grpc.Stream(client, '/hello.Greeter/Sum');
        sum.on('data', (m) => got.push(m.value));
        for (let i = 1; i <= 4; i++) sum.write({ value: i });
        sum.end();
        await done(sum);
        const chat = new grpc.Stream(client, 'hello.Greeter/Chat', { metadata: { a: 'b' } });
        let n = 0;
        chat.on('data', (m) => {
          got.push(m.message);
          if (++n < 3) chat.write({ name: `m${n}` }); else chat.end();
        });
        chat.write({ name: 'm0' });
        await done(chat);
        const slow = new grpc.Stream(client, 'hello.Greeter/Chat', { timeout: '50ms' });
        await done(slow);
        eq('all', got, ['no 0', 'number', 'no 1', 'number', 10, 're: m0', 're: m1', 're: m2', 'error 4']);
    """
    with Server() as server:
        r = run(lab, body, server.address)
    assert r.code == 0, r.text
    assert "grpc_streams_msgs_received...: 6 " in r.stdout, r.text


def test_tls(lab):
    lab.certificate("localhost")
    files = [lab.dir / "localhost.pem", lab.dir / "localhost.key"]
    body = """
        const why = (fn) => { try { fn(); return 'nothing'; } catch (e) { return e.message; } };
        const address = __ENV.ADDRESS.replace('127.0.0.1', 'localhost');
        eq('unknown authority', why(() => client.connect(address)).includes('unknown authority'), true);
        client.connect(address, { tls: { cacerts: [ca] } });
        eq('reply', client.invoke('hello.Greeter/SayHello', { name: 'tls' }).message.message, 'hello tls');
        client.connect(address, { tls: { cacerts: ca } });
        eq('again', client.invoke('hello.Greeter/SayHello', { name: 'tls' }).status, 0);
        eq('no PEM', why(() => client.connect(address, { tls: { cacerts: 'x' } })).includes('params.tls'), true);
    """
    with Server(files) as server:
        r = run(lab, body, server.address, init="const ca = open('./localhost.pem');")
    assert r.code == 0, r.text


def test_certificates_of_clients(lab):
    lab.certificate("localhost")
    lab.certificate("client")
    files = [lab.dir / name for name in ("localhost.pem", "localhost.key", "client.pem")]
    subprocess.run(["openssl", "pkcs8", "-topk8", "-in", lab.dir / "client.key", "-passout", "pass:open", "-out", lab.dir / "locked.key"], check=True)
    subprocess.run(["openssl", "ec", "-aes128", "-in", lab.dir / "client.key", "-passout", "pass:open", "-out", lab.dir / "old.key"], check=True,
                   capture_output=True)
    body = """
        const address = __ENV.ADDRESS.replace('127.0.0.1', 'localhost');
        const why = (tls) => { try { client.connect(address, { tls, timeout: '3s' }); return client.invoke('hello.Greeter/SayHello', {}).error.message; } catch (e) { return e.message; } };
        const reply = (tls, params) => { client.connect(address, { tls, ...params }); return client.invoke('hello.Greeter/SayHello', { name: 'tls' }); };
        eq('a certificate', reply({ cacerts: ca, cert, key }).message.message, 'hello tls');
        eq('with a password', reply({ cacerts: ca, cert, key: old, password: 'open' }).message.message, 'hello tls');
        eq('another authority', reply({ cacerts: ca, cert, key }, { authority: 'shop.test' }).trailers['x-authority'][0], 'shop.test');
        eq('none', why({ cacerts: ca }).length > 0, true);
        eq('another password', why({ cacerts: ca, cert, key: old, password: 'x' }).includes('tls'), true);
        eq('no key', why({ cacerts: ca, cert }).includes('tls'), true);
    """
    with Server(files) as server:
        r = run(lab, body, server.address, init="const [ca, cert, key, old] = ['./localhost.pem', './client.pem', './client.key', './old.key'].map((x) => open(x));")
    assert r.code == 0, r.text


def test_reflection(lab):
    body = """
        const why = (fn) => { try { fn(); return 'nothing'; } catch (e) { return e.message; } };
        client.connect(__ENV.ADDRESS, { plaintext: true, reflect: true });
        const r = client.invoke('hello.Greeter/SayHello', { name: 'mirror', color: 'GREEN', at: '2026-01-02T03:04:05Z' });
        eq('reply', [r.message.message, r.message.color], ['hello mirror', 'GREEN']);
        client.connect(__ENV.ADDRESS, { plaintext: true, reflect: true, reflectMetadata: { 'x-token': 'let me in' } });
        const pending = client.asyncInvoke('hello.Greeter/SayHello', { name: 'late' });
        eq('refused', why(() => client.connect(__ENV.ADDRESS,
          { plaintext: true, reflect: true, reflectMetadata: { 'x-token': 'x' } })), 'reflection: not for you');
        eq('an older call goes on', (await pending).message.message, 'hello late');
        eq('nothing known', why(() => client.invoke('hello.Greeter/SayHello', {})).includes('not found'), true);
    """
    with Server() as server:
        r = run(lab, body, server.address, load="")
    assert r.code == 0, r.text


def test_stop_with_an_open_stream(lab):
    body = """
        client.connect(__ENV.ADDRESS, { plaintext: true });
        const chat = new grpc.Stream(client, 'hello.Greeter/Chat');
        chat.write({ name: 'x' });
        chat.on('data', () => { throw new Error('from a listener'); });
    """
    with Server() as server:
        r = run(lab, body, server.address)
    assert "from a listener" in r.stderr, r.text


def test_protosets_and_archives(lab):
    set_file = lab.dir / "hello.protoset"
    subprocess.run(["protoc", f"-I{PROTOS}", "--include_imports", f"--descriptor_set_out={set_file}",
                    "hello.proto"], check=True)
    body = """
        client.connect(__ENV.ADDRESS, { plaintext: true });
        eq('reply', client.invoke('hello.Greeter/SayHello', { name: 'set' }).message.message, 'hello set');
    """
    with Server() as server:
        r = run(lab, body, server.address, load="client.loadProtoset('hello.protoset');")
    assert r.code == 0, r.text


def test_bad_protos(lab):
    (lab.dir / "bad.proto").write_text('syntax = "proto3";\nmessage A { strin name = 1; }\n')
    (lab.dir / "garbage.protoset").write_bytes(b"\xff\xfe not a set")
    cases = {
        "client.load([], 'bad.proto');": "bad.proto:2:",
        "client.load(['.'], 'missing.proto');": "missing.proto was not found",
        "client.load('x');": "client.load()",
        "client.loadProtoset('missing.protoset');": "missing.protoset",
        "client.loadProtoset('garbage.protoset');": "no FileDescriptorSet",
    }
    for load, expected in cases.items():
        r = run(lab, "", "127.0.0.1:1", load=load)
        assert r.code == 107 and expected in r.stderr, (load, r.code, r.text)
