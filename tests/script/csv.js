// k6/experimental/csv: all at once into a shared array, and record by record.
// expect-none: level=error
import csv, { Parser } from 'k6/experimental/csv';
import { open } from 'k6/experimental/fs';
import { is, once, throws } from './lib/check.js';

const rejected = async (promise) => { try { await promise; return 'no'; } catch (e) { return e.message; } };
const file = await open('./data/people.csv');
const uneven = await open('./data/uneven.csv');
const quote = await open('./data/open_quote.csv');
const rows = await csv.parse(file, { skipFirstLine: true });
const people = await csv.parse(file, { asObjects: true });
const part = await csv.parse(file, { fromLine: 1, toLine: 2 });
const semicolon = await csv.parse(uneven, { delimiter: ';' });
const wrong = [await rejected(csv.parse(file, { fromLine: '2' })), await rejected(csv.parse(file, 5))];
const bad = [];
for (const [f, o] of [[uneven, { asObjects: true }], [quote, { delimiter: ';' }], [file, { delimiter: '' }], [file, { fromLine: -1 }],
  [file, { fromLine: 3, toLine: 1 }], [file, { asObjects: true, skipFirstLine: true }], [{}, {}]]) bad.push(await rejected(csv.parse(f, o)));

export const options = { ...once, vus: 2, iterations: 2 };
export default async function () {
  is('rows', [rows.length, rows[0], rows[1][2], rows[2]], [3, ['ann', '41', 'a "b", c'], 'two\nlines', ['cid', '', '']]);
  is('objects', people[1], { name: 'bob', age: '9', note: 'two\nlines' });
  is('part', part.map((r) => r[0]), ['ann', 'bob']);
  is('delimiter', semicolon[1], ['1,2,3']);
  throws('read-only', () => { rows[0][0] = 'x'; }, /TypeError/);
  is('wrong types', wrong, ['fromLine must be a number', 'the options of a CSV file must be an object']);
  is('errors', bad.map((m, i) => [/fields/, /not closed/, /delimiter/, /fromLine/, /greater/, /combined/, /File/][i].test(m)), Array(7).fill(true));
  is('late', /init context/.test(await rejected(csv.parse(file))), true);
  const parser = new Parser(file, { skipFirstLine: true, toLine: 1 });
  is('next', [(await parser.next()).value[0], await parser.next()], ['ann', { done: true, value: [] }]);
  is('next object', (await new Parser(file, { asObjects: true }).next()).value.age, '41');
  throws('no file', () => new Parser('x'), /File/);
}
