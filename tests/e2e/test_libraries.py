"""What libraries do to k6/http: wrap its functions, keep sessions, build bodies, write summaries; and
libraries as they are published, from Debian's packages."""
import json
import pathlib
import re
import threading

from lab import ok

TRACING = """
// A library that instruments k6/http: a trace context for each request, by replacing its functions.
const { randomBytes } = require('k6/crypto');
const execution = require('k6/execution').default;
const http = require('k6/http').default;
const hex = (bytes) => Array.from(new Uint8Array(bytes), (b) => b.toString(16).padStart(2, '0')).join('');
class Propagator {
  constructor(random = Math.random) { this.random = random; }
  header(trace) { return { traceparent: `00-${trace}-${hex(randomBytes(8))}-01` }; }
}
exports.instrument = function () {
  const propagator = new Propagator();
  const original = {};
  for (const name of ['del', 'get', 'head', 'options', 'patch', 'post', 'put', 'request', 'asyncRequest']) {
    const fn = original[name] = http[name];
    // get and head take no body, request and asyncRequest take a method.
    const at = { get: 1, head: 1, request: 3, asyncRequest: 3 }[name] ?? 2;
    http[name] = function (...args) {
      const trace = hex(randomBytes(16));
      args[at] = Object.assign({}, args[at], { headers: Object.assign({}, (args[at] || {}).headers, propagator.header(trace)) });
      execution.vu.metrics.metadata.trace_id = trace;
      try { return fn.apply(this, args); } finally { delete execution.vu.metrics.metadata.trace_id; }
    };
  }
  Object.assign(exports, { original });
};
exports.Client = class Client {
  constructor(options) { Object.assign(this, options); }
  get(url, params) { return exports.original.get(url, params); }
};
Object.defineProperty(exports, '__esModule', { value: true });
"""

SESSION = """
import http, { CookieJar } from 'k6/http';
// A session: defaults for each request, methods made in a loop, batches and promises.
export class Session {
  constructor({ baseURL = '', headers = {}, tags = {}, timeout } = {}) {
    Object.assign(this, { baseURL, headers, tags, timeout, jar: new CookieJar() });
  }
  addHeader(name, value) { this.headers[name] = value; }
  #params(params) {
    const all = { jar: this.jar, ...params };
    all.headers = Object.assign({}, this.headers, params?.headers);
    all.tags = Object.assign({}, this.tags, params?.tags);
    return this.timeout ? Object.assign(all, { timeout: this.timeout }) : all;
  }
  request(method, url, body, params) { return http.request(method, this.baseURL + url, body, this.#params(params)); }
  asyncRequest(method, url, body, params) { return http.asyncRequest(method, this.baseURL + url, body, this.#params(params)); }
  batch(list) { return http.batch(list.map(([m, u, b, p]) => [m, this.baseURL + u, b, this.#params(p)])); }
}
for (const method of ['get', 'post', 'put', 'delete']) {
  Session.prototype[method] = function (url, ...rest) { return this.request(method.toUpperCase(), url, ...rest); };
  Session.prototype[`async${method[0].toUpperCase()}${method.slice(1)}`] = async function (url, ...rest) {
    return await this.asyncRequest(method.toUpperCase(), url, ...rest);
  };
}
"""

SUMMARY = """
// Reads the data of handleSummary in the ways that summary writers do.
var forEach = function (obj, callback) { for (var key in obj) { if (obj.hasOwnProperty(key) && callback(key, obj[key])) break; } };
exports.textSummary = function (data, options) {
  var merged = Object.assign({ indent: ' ', enableColors: true, summaryTimeUnit: null, summaryTrendStats: null }, data.options, options);
  var lines = [];
  var walk = function (group, depth) {
    if (group.name !== '') lines.push(merged.indent.repeat(depth) + group.name);
    group.checks.forEach(function (c) { lines.push(merged.indent.repeat(depth + 1) + (c.fails === 0 ? 'ok ' : 'no ') + c.name + ' ' + c.passes + '/' + (c.passes + c.fails)); });
    Array.prototype.forEach.call(group.groups, function (g) { walk(g, depth + 1); });
  };
  walk(data.root_group, 0);
  forEach(data.metrics, function (name, metric) {
    lines.push(name + ' ' + metric.type + ' ' + metric.contains + ' ' + (metric.type === 'trend' ? merged.summaryTrendStats.filter(function (s) { return s in metric.values; }).length : Object.keys(metric.values).sort().join()));
    forEach(metric.thresholds, function (source, result) { lines.push('  threshold ' + source + ' ' + result.ok); });
  });
  lines.push('state ' + typeof data.state.testRunDurationMs + ' ' + data.state.isStdOutTTY);
  return lines.join('\\n') + '\\n';
};
"""


def site(lab):
    """Echoes what it got as JSON, and sets a cookie."""
    def talk(conn, data):
        head, _, body = data.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        while length and len(body) < int(length[1]):
            body += conn.recv(65536)
        lines = head.decode().split("\r\n")
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}
        request = {"method": lines[0].split()[0], "path": lines[0].split()[1], "headers": headers,
                   "body": body.decode("latin-1")}
        with lock:
            requests.append(request)
        ok(conn, json.dumps(request).encode(), b"Connection: close\r\nSet-Cookie: seen=yes\r\n")
    lock = threading.Lock()
    requests = []
    server = lab.server(talk)
    server.saw = requests
    return server


def test_functions_of_http_are_replaced(lab):
    server = site(lab)
    lab.file("tracing.js", TRACING)
    out = lab.dir / "samples.json"
    r = lab.script("""
import { instrument, Client } from './tracing.js';
import http, { get } from 'k6/http';
import { check } from 'k6';
export const options = { thresholds: { checks: ['rate==1'] } };
instrument();
export default async function () {
  const url = __ENV.URL;
  const trace = (r) => /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/.test(r.json('headers.traceparent'));
  check(http.get(url), { get: trace });
  check(http.get(url, { headers: { 'X-Mine': '1' } }), { 'own headers stay': (r) => trace(r) && r.json('headers.x-mine') === '1' });
  check(http.post(url, { a: 'b' }), { post: (r) => trace(r) && r.json('body') === 'a=b' });
  check(http.request('PUT', url, 'x', { tags: { own: 'tag' } }), { request: trace });
  check(await http.asyncRequest('GET', url), { async: trace });
  check(new Client().get(url), { 'the original': (r) => r.json('headers.traceparent') === undefined });
  check(get, { 'the named import is the one of the start': (g) => g !== http.get && g(url).json('headers.traceparent') === undefined });
  const { original } = require_original;
  Object.assign(http, original);
  check(http.get(url), { 'put back': (r) => r.json('headers.traceparent') === undefined });
}
import * as require_original from './tracing.js';
""".replace("const { original } = require_original;", "const original = require_original.default.original;"),
                   "-e", f"URL={server.url}/x", "--out", f"json={out}")
    assert r.code == 0, r.text
    traces = {re.search("[0-9a-f]{32}", q["headers"]["traceparent"])[0] for q in server.saw if "traceparent" in q["headers"]}
    assert len(traces) == 5, server.saw
    samples = [json.loads(line) for line in out.read_text().splitlines()]
    seen = {s["data"]["metadata"]["trace_id"] for s in samples
            if s["metric"] == "http_req_duration" and "trace_id" in s["data"].get("metadata", {})}
    # A promise's request is measured after the library has taken its metadata away.
    assert len(seen & traces) >= 4, (seen, traces)


def test_sessions(lab):
    server = site(lab)
    lab.file("session.js", SESSION)
    r = lab.script("""
import { Session } from './session.js';
import { check } from 'k6';
export const options = { thresholds: { checks: ['rate==1'], 'http_reqs{kind:session}': ['count==7'] } };
const session = new Session({ baseURL: __ENV.URL, headers: { 'Content-Type': 'application/json' }, tags: { kind: 'session' }, timeout: '10s' });
export default async function () {
  check(session.get('/a'), { get: (r) => r.json('path') === '/a' && r.json('headers.content-type') === 'application/json' });
  session.addHeader('Authorization', `Bearer ${'t'.repeat(3)}`);
  check(session.post('/b', JSON.stringify({ x: 1 }), { headers: { 'X-One': '1' } }), {
    post: (r) => JSON.parse(r.json('body')).x === 1 && r.json('headers.authorization') === 'Bearer ttt' && r.json('headers.x-one') === '1',
    'the jar of the session': (r) => r.json('headers.cookie') === 'seen=yes' });
  check(session.delete('/c'), { 'delete is a name': (r) => r.json('method') === 'DELETE' });
  const all = session.batch([['GET', '/d'], ['POST', '/e', 'body', { tags: { name: 'E' } }]]);
  check(all, { batch: (l) => l.length === 2 && l[1].json('body') === 'body' });
  const [f, g] = await Promise.all([session.asyncGet('/f'), session.asyncPost('/g', 'late')]);
  check([f, g], { async: () => f.json('path') === '/f' && g.json('body') === 'late' });
}
""", "-e", f"URL={server.url}")
    assert r.code == 0, r.text
    assert len(server.saw) == 7


def test_multipart_bodies(lab):
    server = site(lab)
    lab.file("image.bin", bytes(range(256)))
    r = lab.script("""
import http from 'k6/http';
import { check } from 'k6';
import { randomBytes } from 'k6/crypto';
import encoding from 'k6/encoding';
export const options = { thresholds: { checks: ['rate==1'] } };
const image = open('./image.bin', 'b');
class FormData {
  constructor() { this.boundary = '----F' + encoding.b64encode(randomBytes(12), 'rawurl'); this.parts = []; }
  append(name, value, filename) {
    const isFile = typeof value === 'object';
    this.parts.push(`--${this.boundary}\\r\\nContent-Disposition: form-data; name="${name}"` +
      (isFile ? `; filename="${filename || value.filename || 'blob'}"\\r\\nContent-Type: ${value.content_type || 'application/octet-stream'}` : '') +
      '\\r\\n\\r\\n', isFile ? value.data ?? value : value, '\\r\\n');
  }
  body() {
    const text = new TextEncoder();
    const bytes = [...this.parts, `--${this.boundary}--\\r\\n`].map((p) => (typeof p === 'string' ? text.encode(p) : new Uint8Array(p)));
    const out = new Uint8Array(bytes.reduce((n, b) => n + b.byteLength, 0));
    bytes.reduce((at, b) => (out.set(b, at), at + b.byteLength), 0);
    return out.buffer;
  }
}
export default function () {
  const form = new FormData();
  form.append('first', 'one');
  form.append('images', http.file(image, 'a.bin', 'image/x'));
  form.append('images', image, 'b.bin');
  const r = http.post(__ENV.URL, form.body(), { headers: { 'Content-Type': 'multipart/form-data; boundary=' + form.boundary } });
  check(r, { sent: () => r.status === 200 });
  http.post(__ENV.URL, { text: 'é', file: http.file(image, 'c.bin') });
}
""", "-e", f"URL={server.url}")
    assert r.code == 0, r.text
    all_bytes = bytes(range(256)).decode("latin-1")
    ours, own = server.saw
    boundary = ours["headers"]["content-type"].split("boundary=")[1]
    parts = ours["body"].split("--" + boundary)
    assert len(parts) == 5 and parts[4] == "--\r\n", parts
    assert parts[2].endswith("\r\n\r\n" + all_bytes + "\r\n") and 'filename="a.bin"\r\nContent-Type: image/x' in parts[2]
    assert 'filename="b.bin"' in parts[3]
    assert own["headers"]["content-type"].startswith("multipart/form-data; boundary=") and all_bytes in own["body"]


def test_summary_writers(lab):
    lab.file("summary.js", SUMMARY)
    r = lab.script("""
import { textSummary } from './summary.js';
import { check, group } from 'k6';
import { Trend } from 'k6/metrics';
export const options = { thresholds: { checks: ['rate==1'], mine: ['p(95)<100'] } };
const mine = new Trend('mine', true);
export default function () {
  check(1, { top: true });
  group('outer', () => group('inner', () => check(1, { deep: (v) => v === 1 })));
  mine.add(3);
}
export function handleSummary(data) {
  return { stdout: textSummary(data, { indent: '>', enableColors: false }), 'out.json': JSON.stringify(data), 'out.txt': textSummary(data) };
}
""")
    assert r.code == 0, r.text
    for line in (">ok top 1/1", ">outer", ">>inner", ">>>ok deep 1/1", "mine trend time 6",
                 "  threshold p(95)<100 true", "checks rate default fails,passes,rate",
                 "iterations counter default count,rate", "state number false"):
        assert line in r.stdout.splitlines(), (line, r.stdout)
    assert json.loads((lab.dir / "out.json").read_text())["metrics"]["mine"]["type"] == "trend"
    assert (lab.dir / "out.txt").read_text().startswith(" ok top")


def test_libraries_as_they_are_published(lab):
    """Debian's packages chai, libjs-lodash and libjs-handlebars (tools/deps.sh test)."""
    libs = {"chai.js": "/usr/share/nodejs/chai/chai.js", "chai.min.js": "/usr/share/nodejs/chai/chai.min.js",
            "lodash.js": "/usr/share/javascript/lodash/lodash.min.js",
            "handlebars.js": "/usr/share/javascript/handlebars/handlebars.js"}
    for name, path in libs.items():
        lab.file("libs/" + name, pathlib.Path(path).read_bytes())
    r = lab.script("""
import chai from './libs/chai.js';
import { expect, AssertionError } from './libs/chai.min.js';
import _ from './libs/lodash.js';
import Handlebars from './libs/handlebars.js';
import { check } from 'k6';
export const options = { thresholds: { checks: ['rate==1'] }, vus: 2, iterations: 4 };
chai.should();
chai.use((c, utils) => {
  const assert = c.Assertion.prototype.assert;
  c.Assertion.prototype.assert = function (ok, ...rest) {
    check(null, { [String(utils.flag(this, 'message') || 'unnamed')]: () => utils.test(this, [ok]) });
    return assert.apply(this, [ok, ...rest]);
  };
});
export default function () {
  chai.expect({ a: [1, { b: 2 }] }, 'deep').to.deep.equal({ a: [1, { b: 2 }] });
  chai.expect('text').to.be.a('string').and.match(/^te/).and.have.lengthOf(4);
  chai.expect(new Map([['a', 1]])).to.have.all.keys('a');
  chai.expect(() => { throw new TypeError('no'); }).to.throw(TypeError, 'no');
  (5).should.be.within(1, 9);
  let caught;
  try { expect([1, 2, 3]).to.not.include(2); } catch (e) { caught = e; }
  check(caught, { 'the error of an assertion': (e) => e instanceof AssertionError && e instanceof Error && e.name === 'AssertionError' && e.message === 'expected [ 1, 2, 3 ] to not include 2' });
  check(_, {
    chunks: () => _.isEqual(_.chunk(_.range(5), 2), [[0, 1], [2, 3], [4]]),
    clones: () => { const o = { d: new Date(0), m: new Map([[1, { x: 1 }]]), r: /a/g, t: new Uint8Array([1]) }; const c = _.cloneDeep(o); return _.isEqual(o, c) && c.m.get(1) !== o.m.get(1); },
    templates: () => _.template('<% _.forEach(l, function (i) { %><%- i %>;<% }) %>')({ l: ['a', '<'] }) === 'a;&lt;;',
    handlebars: () => Handlebars.compile('{{#each l}}{{@index}}{{this.n}} {{/each}}')({ l: [{ n: 'a' }, { n: 'b' }] }) === '0a 1b ',
  });
}
""")
    assert r.code == 0 and "level=error" not in r.stderr, r.text
