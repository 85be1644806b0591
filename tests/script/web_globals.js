// Globals of the web platform that appear when they are named.
// expect-none: level=error
import { is, ok, once, throws } from './lib/check.js';

export const options = once;
export default function () {
  is('encode', Array.from(new TextEncoder().encode('aé€😀\ud800')), [97, 195, 169, 226, 130, 172, 240, 159, 152, 128, 239, 191, 189]);
  const d = new TextDecoder();
  is('decode', d.decode(new Uint8Array([0xef, 0xbb, 0xbf, 97, 195, 169, 0xff, 226, 130])), 'aé\ufffd\ufffd');
  is('decode in pieces', [d.decode(new Uint8Array([226, 130]), { stream: true }), d.decode(new Uint8Array([172]))], ['', '€']);
  is('keep the mark', new TextDecoder('utf-8', { ignoreBOM: true }).decode(new Uint8Array([0xef, 0xbb, 0xbf])), '\ufeff');
  throws('fatal', () => new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([0xc0])), /not valid utf-8/);
  throws('label', () => new TextDecoder('klingon'), /unsupported encoding/);
  is('utf-16le', new TextDecoder('utf-16').decode(new Uint8Array([0x3d, 0xd8, 0, 0xde])), '😀');
  is('utf-16be', new TextDecoder('utf-16be').decode(new Uint8Array([0, 97, 0xd8, 0])), 'a\ufffd');
  is('btoa', [btoa(''), btoa('a'), btoa('ab'), btoa('abc'), btoa('\xff')], ['', 'YQ==', 'YWI=', 'YWJj', '/w==']);
  is('atob', [atob('YQ=='), atob(' YW I'), atob('YWJj')], ['a', 'ab', 'abc']);
  throws('btoa wide', () => btoa('€'), /U\+00FF/);
  throws('atob wrong', () => atob('a'), /no base64/);
  const u = new URL('../b?x=1#f', 'http://h:80/a/c/d');
  is('URL', [u.href, u.searchParams.get('x')], ['http://h/a/b?x=1#f', '1']);
  is('URLSearchParams', new URLSearchParams({ a: '1 2', b: 'ä' }).toString(), 'a=1+2&b=%C3%A4');
  throws('URL wrong', () => new URL('nothing'), /./);
  const v = { d: new Date(5), m: new Map([[1, { x: 1 }]]), s: new Set([1]), t: new Uint8Array([1, 2]), r: /a/g, n: [1, , 3] };
  v.self = v;
  const c = structuredClone(v);
  ok('clone', c !== v && c.self === c && c.d.getTime() === 5 && c.m.get(1).x === 1 && c.m.get(1) !== v.m.get(1) &&
    c.s.has(1) && c.t[1] === 2 && c.t.buffer !== v.t.buffer && c.r.flags === 'g' && !(1 in c.n));
  throws('clone of a function', () => structuredClone({ f() {} }), /can't be cloned/);
  ok('clone of an error', structuredClone(new RangeError('x')) instanceof RangeError);
  const a = new AbortController();
  const seen = [];
  a.signal.addEventListener('abort', (e) => seen.push(e.type));
  a.signal.onabort = () => seen.push('on');
  a.abort('why');
  a.abort('again');
  is('abort', [a.signal.aborted, a.signal.reason, seen], [true, 'why', ['on', 'abort']]);
  is('abort name', AbortSignal.abort().reason.name, 'AbortError');
  ok('any', AbortSignal.any([a.signal]).reason === 'why');
  throws('throwIfAborted', () => AbortSignal.abort(new Error('stop')).throwIfAborted(), /stop/);
  const t = AbortSignal.timeout(3600e3); // nobody listens: it keeps no iteration alive
  const any = AbortSignal.any([t, a.signal]);
  is('timeout', [t.aborted, AbortSignal.timeout(0).aborted, AbortSignal.timeout(0).reason.name, any.aborted, any.reason],
    [false, true, 'TimeoutError', true, 'why']);
  throws('timeout of nothing', () => AbortSignal.timeout('x'), /milliseconds/);
  const late = [];
  const on = () => late.push('heard');
  t.addEventListener('abort', on);
  t.removeEventListener('abort', on);
  globalThis.btoa = 1;
  ok('replaced', btoa === 1);
}
