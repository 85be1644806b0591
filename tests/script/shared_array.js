// SharedArray: made once for all VUs, read like an array, never written.
// expect-stderr: msg="made once"
import { SharedArray } from 'k6/data';
import { is, ok, once, throws } from './lib/check.js';

let made = 0;
const rows = new SharedArray('rows', () => {
  console.log('made once');
  made++;
  return [{ n: 1, deep: { list: [1] } }, { n: 2 }, 'text', null, 5];
});
const again = new SharedArray('rows', () => {
  throw new Error('never called: the name is known');
});
const own = new SharedArray(`of VU ${__VU}`, () => [__VU]);
let errors = [];
for (const wrong of [
  () => new SharedArray('', () => []),
  () => new SharedArray('x', () => 5),
  () => new SharedArray('y', async () => []),
  () => new SharedArray('z'),
]) {
  try {
    wrong();
  } catch (e) {
    errors.push(e.message);
  }
}

export const options = { ...once, vus: 3, iterations: 3 };
export default function () {
  ok('not made here', made === 0);
  is('read', [rows.length, rows[0].deep.list[0], rows[9], rows.at(-1)], [5, 1, undefined, 5]);
  is('same name, same data', again[1], { n: 2 });
  is('one that a later VU makes', own[0], __VU > 0 ? own[0] : 0);
  let sum = 0;
  for (const row of rows) sum += row && row.n ? row.n : 0;
  is('iterates', sum, 3);
  is('array methods', [rows.map((r) => typeof r), rows.filter((r) => r && r.n > 1), rows.indexOf('text')],
    [['object', 'object', 'string', 'object', 'number'], [{ n: 2 }], 2]);
  is('spread and slice', [[...rows].length, rows.slice(3), rows.concat([6]).length], [5, [null, 5], 6]);
  ok('is an array', Array.isArray(rows));
  is('json', JSON.stringify(rows).length, '[{"n":1,"deep":{"list":[1]}},{"n":2},"text",null,5]'.length);
  is('in and keys', [0 in rows, 5 in rows, Object.keys(rows)], [true, false, ['0', '1', '2', '3', '4']]);
  for (const [name, write] of [
    ['element', () => { rows[0] = 1; }],
    ['field', () => { rows[0].n = 2; }],
    ['deep field', () => { rows[0].deep.list.push(1); }],
    ['new field', () => { rows[0].extra = 2; }],
    ['push', () => rows.push(1)],
    ['length', () => { rows.length = 0; }],
    ['delete', () => { delete rows[0]; }],
    ['sort', () => rows.sort()],
  ]) throws(`write ${name}`, write, /TypeError/);
  throws('made late', () => new SharedArray('late', () => []), /init context/);
  is('errors', errors.length, 4);
  ok('not an array', /only arrays/.test(errors[1]) && /async/.test(errors[2]));
}
