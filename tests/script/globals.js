// env: FROM_OUTSIDE=yes
// args: -e GIVEN=1
import { randomSeed } from 'k6';
import { is, ok, once, throws } from './lib/check.js';

export const options = once;
__ENV.OWN = 'set in init';
export default function () {
  is('lazy constructors', [new Map([[1, 2]]).get(1), new Set([1, 1]).size, new Uint8Array(2).length, typeof new Date().getTime()], [2, 1, 2, 'number']);
  is('typeof', [typeof WeakMap, typeof DataView, typeof Float64Array, typeof Nothing], ['function', 'function', 'function', 'undefined']);
  ok('in', 'ArrayBuffer' in globalThis && !('Nothing' in globalThis));
  ok('global', global === globalThis && global.Map === Map);
  class Bag extends Map {}
  ok('subclass', new Bag() instanceof Map);
  globalThis.mine = 1;
  is('own globals', [mine, delete globalThis.mine, typeof mine], [1, true, 'undefined']);
  const before = Set;
  globalThis.Set = class Other {};
  ok('replaced', new Set() instanceof globalThis.Set && Set !== before);
  globalThis.Set = before;
  is('env', [__ENV.FROM_OUTSIDE, __ENV.GIVEN, __ENV.OWN, __ENV.NOT_THERE], ['yes', '1', 'set in init', undefined]);
  __ENV.LATER = 'x';
  is('env is kept', __ENV.LATER, 'x');
  is('ids', [__VU, __ITER], [1, 0]);
  throws('strict', () => { neverDeclared = 1; }, /ReferenceError/);
  randomSeed(42);
  const first = [Math.random(), Math.random()];
  randomSeed(42);
  is('randomSeed repeats', [Math.random(), Math.random()], first);
  ok('in range', first.every((x) => x >= 0 && x < 1) && first[0] !== first[1]);
  is('language', [1_000, 2n ** 64n > 1n, null ?? 5, [1, 2, 3].findLast((x) => x < 3), [3, 1].toSorted(), Object.fromEntries([['a', 1]])],
    [1000, true, 5, 2, [1, 3], { a: 1 }]);
  is('regular expressions', ['2024-01-02'.replace(/(?<y>\d+)-(\d+)/, '$<y>/$2'), 'aXbX'.replaceAll('X', '-'), [...'a1b2'.matchAll(/\d/g)].length], ['2024/01-02', 'a-b-', 2]);
}
