// The language: what k6 has of it, and what gale has besides.
// expect-none: level=error
import { is, ok, once, throws } from './lib/check.js';

class Point {
  #x = 1;
  static #count = 2;
  static ready;
  static { Point.ready = true; }
  #twice() { return 2 * this.#x; }
  get sum() { return this.#twice() + Point.#count; }
  static has(o) { return #x in o; }
}
function* numbers() { const more = yield 1; yield* [more, 3]; }
async function* later() { yield 1; yield 2; }
const made = (source) => { try { return new Function(source)(); } catch (e) { return e.name; } };

export const options = once;
export default async function () {
  is('classes', [new Point().sum, Point.ready, Point.has(new Point()), Point.has({})], [4, true, true, false]);
  const g = numbers();
  is('generators', [g.next().value, g.next(2).value, g.next().value, g.next().done], [1, 2, 3, true]);
  const all = [];
  for await (const x of later()) all.push(x);
  is('async generators', all, [1, 2]);
  is('dynamic import', Object.keys(await import('k6/encoding')).includes('b64encode'), true);
  let a = null, b = 1, c = 0;
  a ??= 5; b &&= 6; c ||= 7;
  is('operators', [a, b, c, ({}).x?.y?.[0], null ?? 8, 2 ** 3, 1_000, typeof 10n], [5, 6, 7, undefined, 8, 8, 1000, 'bigint']);
  const { x, ...rest } = { x: 1, y: 2, z: 3 };
  is('destructuring', [x, rest, [...'añ'], ((p, q = 2, ...r) => [p, q, r])(1, undefined, 3, 4)], [1, { y: 2, z: 3 }, ['a', 'ñ'], [1, 2, [3, 4]]]);
  is('templates', [`${1 + 1}`, String.raw`\n${1}`, ((s, ...v) => [s.raw[0], v])`a\t${1}`], ['2', '\\n1', ['a\\t', [1]]]);
  is('2022 and 2023', [[1, 2].at(-1), Object.hasOwn({ a: 1 }, 'a'), [1, 2, 3].findLast((v) => v < 3), [3, 1].toSorted(), [1, 2].toReversed(), [1, 2, 3].toSpliced(0, 1), [1].with(0, 2)],
    [2, true, 2, [1, 3], [2, 1], [2, 3], [2]]);
  is('errors', [new Error('a', { cause: 1 }).cause, new AggregateError([1]).errors, (await Promise.any([Promise.reject(1)]).catch((e) => e.errors))], [1, [1], [1]]);
  is('collections', [new Map([[NaN, 1]]).get(NaN), [...new Set([1, 1, 2])], new WeakMap().has({}), new Proxy({}, { get: (_, k) => k }).abc, Reflect.ownKeys({ a: 1 })],
    [1, [1, 2], false, 'abc', ['a']]);
  is('11 typed arrays', 'Int8 Uint8 Uint8Clamped Int16 Uint16 Int32 Uint32 Float32 Float64 BigInt64 BigUint64'.split(' ').map((t) => typeof globalThis[`${t}Array`]),
    Array(11).fill('function'));
  is('escapes', [escape('ä'), unescape('%E4'), encodeURIComponent('ä/'), decodeURI('%C3%A4')], ['%E4', 'ä', '%C3%A4%2F', 'ä']);
  is('regular expressions', ['ab'.replace(/(?<=a)b/, 'c'), /(a)\1/.test('aa'), 'x1'.match(/(?<n>\d)/).groups.n, /a.b/s.test('a\nb'), /\u{1F600}/u.test('😀'), /a/d.exec('ba').indices[0]],
    ['ac', true, '1', true, true, [1, 2]]);
  is('dates', [new Date(0).toISOString(), Date.UTC(2024, 1, 29), new Date('2024-02-29T00:00:00Z').getTime()], ['1970-01-01T00:00:00.000Z', 1709164800000, 1709164800000]);
  is('numbers and text', [(1234.5678).toFixed(2), parseFloat('1e3'), (255).toString(16), 'é'.normalize('NFD').length, 'a'.localeCompare('b'), 'x'.padStart(3, '-')],
    ['1234.57', 1000, 'ff', 2, -1, '--x']);
  // As in k6 nobody has these; a library that looks for them finds nothing.
  is('absent', 'Intl WeakRef FinalizationRegistry SharedArrayBuffer Atomics Temporal process Buffer FormData EventTarget performance'.split(' ').filter((n) => n in globalThis), []);
  is('beyond k6', [typeof Object.groupBy, typeof Promise.withResolvers, typeof ''.isWellFormed, typeof structuredClone], Array(4).fill('function'));
  is('not even here', [made("return new RegExp('[a--b]', 'v')"), made("return new RegExp('(?<a>x)|(?<a>y)')"), made('@d class A {}')], ['SyntaxError', 'SyntaxError', 'SyntaxError']);
  is('strict', (function () { return this; })(), undefined);
  throws('strict writes', () => { Object.freeze([1]).push(2); }, /TypeError/);
}
