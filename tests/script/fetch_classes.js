// fetch's classes without a server: Headers, Request, Response, and what fetch refuses.
// expect-none: level=error
import { is, ok, once, throws } from './lib/check.js';

const rejected = async (promise) => { try { await promise; return 'no'; } catch (e) { return `${e.name}: ${e.message}`; } };

export const options = once;
export default async function () {
  const h = new Headers([['B', '1'], ['a', ' x '], ['b', 2]]);
  is('list', [...h], [['a', 'x'], ['b', '1, 2']]);
  h.append('Set-Cookie', 'a=1');
  h.append('Set-Cookie', 'b=2');
  h.delete('A');
  is('cookies', [[...h.keys()], h.getSetCookie(), h.get('nope'), h.has('B')], [['b', 'set-cookie', 'set-cookie'], ['a=1', 'b=2'], null, true]);
  throws('name', () => new Headers({ 'a b': 1 }), /invalid name 'a b'/);
  throws('value', () => h.set('a', 'x\r\ny'), /line break/);
  throws('pairs', () => new Headers([['a']]), /pair/);

  const q = new Request('http://a.test/x?y', { method: 'post', body: 'text', headers: { A: 'b' }, redirect: 'manual' });
  is('request', [q.method, q.url, q.headers.get('a'), q.headers.get('content-type'), q.redirect],
    ['POST', 'http://a.test/x?y', 'b', 'text/plain;charset=UTF-8', 'manual']);
  const copy = new Request(q, { headers: { A: 'c' } });
  is('copy', [await copy.text(), copy.headers.get('a'), copy.method, q.bodyUsed], ['text', 'c', 'POST', false]);
  throws('body of GET', () => new Request('http://a.test', { body: 'x' }), /a GET has no body/);
  throws('redirect', () => new Request('http://a.test', { redirect: 'maybe' }), /redirect 'maybe' is none of/);
  throws('signal', () => new Request('http://a.test', { signal: 1 }), /AbortSignal/);
  throws('method', () => new Request('http://a.test', { method: 'A B' }), /invalid method/);

  const r = Response.json({ a: [1] }, { status: 201 });
  is('json', [r.status, r.ok, r.headers.get('content-type'), await r.clone().json()], [201, true, 'application/json', { a: [1] }]);
  is('bytes', [...await r.bytes()].length, 9);
  is('twice', await rejected(r.text()), 'TypeError: the body was read already');
  is('empty', [await new Response().text(), new Response(null, { status: 204 }).body], ['', null]);
  throws('status', () => new Response('', { status: 99 }), /not between 200 and 599/);
  is('redirect', [Response.redirect('http://a.test/').status, Response.redirect('http://a.test/', 308).headers.get('location')], [302, 'http://a.test/']);
  const s = new Response(new ReadableStream({ start(c) { c.enqueue(new Uint8Array([104, 105])); c.close(); } }));
  is('stream', [await s.clone().text(), await s.text()], ['hi', 'hi']);
  is('blob', await rejected(new Response('x').blob()), "TypeError: blob() needs a Blob: put the one of k6/websockets in globalThis.Blob, or use arrayBuffer()");
  is('bad json', (await rejected(new Response('{').json())).split(':')[0], 'SyntaxError');
  is('scheme', (await rejected(fetch('ftp://a.test/'))).includes('unsupported protocol scheme'), true);
  is('no URL', (await rejected(fetch())).split(':')[0], 'TypeError');
  ok('types', r instanceof Response && String(r) === '[object Response]' && typeof fetch === 'function');
}
