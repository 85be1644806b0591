// What 01 to 09 leave open of k6/http: bodies, headers, cookies, compression, fields of a response, forms.
import http from 'k6/http';
import encoding from 'k6/encoding';
import { BASE, TLS_BASE, once, is, ok, throws } from './lib.js';

export const options = once;

function bodies() {
  const post = (body, params) => http.post(`${BASE}/post`, body, params).json();
  is('arrays repeat keys', post({ b: [1, 2], a: 'x' }).data, 'a=x&b=1&b=2');
  is('own type wins', post({ a: 1 }, { headers: { 'Content-Type': 'text/plain' } }).headers['content-type'], 'text/plain');
  is('no body', [post(null).bytes, post(undefined).bytes, http.post(`${BASE}/post`).json('bytes')], [0, 0, 0]);
  is('length is measured', post('four', { headers: { 'Content-Length': '99' } }).headers['content-length'], '4');
  is('text is UTF-8', post('ä€').bytes, 5);
  is('a part of a buffer', post(new Uint8Array([1, 2, 3, 4]).subarray(1, 3)).base64, 'AgM=');
  const h = http.get(`${BASE}/headers`, { headers: { 'X-N': 5, 'X-B': true } }).json('headers');
  is('values of headers', [h['x-n'], h['x-b']], ['5', 'true']);
  const file = http.file('content', undefined, 'text/csv');
  ok('default name', /^\d+$/.test(file.filename) && file.content_type === 'text/csv' && file.data === 'content');
  ok('a file name', /filename="b\.csv"/.test(post({ f: http.file('x', 'b.csv') }).data));
}

function packed() {
  for (const [name, magic] of [['gzip', [31, 139]], ['deflate', [120]], ['zstd', [40, 181, 47, 253]]]) {
    const r = http.post(`${BASE}/post`, 'hello '.repeat(50), { compression: name }).json();
    is(`${name} sent`, [r.headers['content-encoding'], Array.from(new Uint8Array(encoding.b64decode(r.base64)).slice(0, magic.length))], [name, magic]);
  }
  is('br sent', http.post(`${BASE}/post`, 'x', { compression: 'br' }).json('headers.content-encoding'), 'br');
  is('two of them', http.post(`${BASE}/post`, 'x', { compression: 'gzip, br' }).json('headers.content-encoding'), 'gzip, br');
  throws('unknown', () => http.post(`${BASE}/post`, 'x', { compression: 'rar' }), /rar/);
}

function cookies() {
  const jar = http.cookieJar();
  const seen = (params) => http.get(`${BASE}/cookies`, params).json('cookies');
  jar.set(BASE, 'k', 'jar', { domain: '127.0.0.1', path: '/', secure: false, http_only: true, max_age: 100, expires: 'Fri, 01 Jan 2100 00:00:00 GMT' });
  const header = (params) => http.get(`${BASE}/headers`, params).json('headers.cookie');
  is('added to the jar', header({ cookies: { k: 'param', other: { value: 'o' } } }), 'k=jar; k=param; other=o');
  is('unless replaced', seen({ cookies: { k: { value: 'param', replace: true } } }), { k: 'param' });
  is('the jar is as before', seen(), { k: 'jar' });
  is('another jar', seen({ jar: new http.CookieJar() }), {});
  is('the cookies of a request', Object.keys(http.get(`${BASE}/cookies`).request.cookies), ['k']);
  jar.set(`${TLS_BASE}/`, 's', 'x', { secure: true });
  is('secure', Object.keys(jar.cookiesForURL(`${TLS_BASE}/`)).includes('s'), true);
  jar.delete(BASE, 'k');
  const c = http.get(`${BASE}/cookies/set-attrs`).cookies;
  is('attributes', [c.a[0].http_only, c.b[0].max_age, c.b[0].path, c.d[0].secure, c.a[0].domain, typeof c.a[0].expires], [true, 3600, '/cookies', true, '', 'number']);
  jar.clear(BASE);
}

function responses() {
  const r = http.get(`${BASE}/multi-header`);
  is('repeated headers', r.headers['X-Multi'], 'one, two');
  is('fields', [r.status_text, r.proto, r.tls_version, r.tls_cipher_suite, r.timings.looking_up, r.error, r.error_code], ['200 OK', 'HTTP/1.1', '', '', 0, '', 0]);
  is('request', [r.request.method, r.request.url, r.request.body, Array.isArray(r.request.headers['User-Agent'])], ['GET', `${BASE}/multi-header`, '', true]);
  is('204', http.get(`${BASE}/status/204`).body, null);
  is('binary json', http.get(`${BASE}/json-sample`, { responseType: 'binary' }).json('name'), 'alice');
  is('order of keys', Object.keys(http.get(`${BASE}/json-sample`).json()), ['id', 'name', 'tags', 'nested', 'nil', 'yes']);
  is('selector of non-JSON', http.get(`${BASE}/chunked/1`).json('a.b'), undefined);
  throws('json of nothing', () => http.get(`${BASE}/status/204`).json());
  throws('json of a discarded body', () => http.get(`${BASE}/get`, { responseType: 'none' }).json());
  is('the same object', r.json() === r.json(), true);
  is('statuses', [404, 500, 503].map((s) => { const x = http.get(`${BASE}/status/${s}`); return [x.error_code, x.error]; }), [[1404, ''], [1500, ''], [1503, '']]);
  ok('throw of one', (() => { try { http.batch([`${BASE}/get`, ['GET', 'http://127.0.0.1:1/', null, { throw: true }]]); return false; } catch (e) { return /refused/.test(e.message); } })());
  throws('callback', () => http.get(`${BASE}/get`, { responseCallback: () => true }));
  throws('status of a callback', () => http.expectedStatuses('200'));
  is('cut short', http.get(`${BASE}/gzip`, { redirects: 0, headers: { 'Accept-Encoding': 'gzip' } }).json('compressed'), 'gzip');
  is('nothing is asked for', http.get(`${BASE}/headers`).json('headers.accept-encoding'), undefined);
}

function forms() {
  const page = http.get(`${BASE}/html`);
  is('submit', page.submitForm({ fields: { user: 'x', extra: 'y' }, params: { headers: { 'X-F': '1' } } }).json('form.extra'), 'y');
  is('link', page.clickLink({ params: { headers: { 'X-L': 'yes' } } }).json('headers.x-l'), 'yes');
  throws('no form', () => page.submitForm({ formSelector: '#nope' }));
  throws('no link', () => page.clickLink({ selector: '#nope' }));
}

export default function () {
  bodies();
  packed();
  cookies();
  responses();
  forms();
  is('constants', [http.TLS_1_0, http.TLS_1_3, http.OCSP_STATUS_GOOD, http.OCSP_REASON_KEY_COMPROMISE], ['tls1.0', 'tls1.3', 'good', 'key_compromise']);
}
