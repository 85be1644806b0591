// ES modules, CommonJS, built-in ones, open(), top-level await.
// expect-stderr: use import.meta.resolve() to be independent of that
import * as ns from 'k6';
import k6, { check } from 'k6';
import cjs, { answer, deep } from './lib/cjs.js';
import { getA } from './lib/cycle.js';
import { is, ok, once, throws } from './lib/check.js';
import Thing, { a, fromCycle, text, url } from './lib/esm.js';
import { load } from './lib/opener.js';

export const options = { ...once, vus: 2, iterations: 2 };
const awaited = await new Promise((resolve) => setTimeout(() => resolve(7), 5));
const binary = open('./data/list.json', 'b');
const loaded = load('data/list.json');
const required = require('./lib/cjs.js');
let missing;
try {
  open('./data/none.json');
} catch (e) {
  missing = e.message;
}

export default function () {
  is('commonjs names', [answer, deep(), cjs.data.list, cjs.self], [42, 'deep', [1, 2], true]);
  ok('commonjs is evaluated once', required.deep === deep);
  ok('require of a built-in', cjs.k6.check === check || typeof cjs.k6.check === 'function');
  ok('required built-in has a default', typeof cjs.k6.default.check === 'function');
  is('es modules', [a, fromCycle(), getA(), new Thing().hidden(), Thing.count], [1, 2, 1, 1, 5]);
  ok('namespace, default and named are the same', ns.check === check && k6.check === check);
  is('top-level await', awaited, 7);
  is('open', [text, loaded, binary.byteLength], ['{"list":[1,2]}\n', '{"list":[1,2]}\n', 15]);
  ok('open of a missing file', /none\.json/.test(missing));
  ok('import.meta.resolve', /^file:\/\/\/.*\/lib\/x\.txt$/.test(url));
  is('import.meta has nothing else', Object.keys(import.meta), ['resolve']);
  throws('open later', () => open('./data/list.json'), /open\(\) can only be used in the init/);
  throws('require later', () => require('./lib/cjs.js'), /require\(\) can only be used in the init/);
  throws('strict mode', () => { undeclared = 1; }, /not defined/);
}
