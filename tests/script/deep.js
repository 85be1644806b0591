// Nesting and recursion past every limit is an exception, never a crash.
import { SharedArray } from 'k6/data';
import { group } from 'k6';
import encoding from 'k6/encoding';
import { is, ok, once, throws } from './lib/check.js';

const nested = (n) => {
  let value = [];
  for (let i = 0; i < n; i++) value = [value];
  return value;
};
const deep = new SharedArray('deep', () => [nested(400), nested(510)]);
export const options = once;

// Calls fn from ever deeper in the stack until an error of the stack comes.
function atTheEnd(fn) {
  let seen = null;
  const down = () => {
    fn();
    down();
  };
  try {
    down();
  } catch (e) {
    seen = e;
  }
  return String(seen);
}

export default function () {
  throws('JSON.parse', () => JSON.parse('['.repeat(1e6)), /Error/);
  throws('JSON.stringify', () => JSON.stringify(nested(1e5)), /Error/);
  throws('parser', () => new Function(`${'('.repeat(1e5)}1${')'.repeat(1e5)}`), /Error/);
  throws('regular expression', () => new RegExp('('.repeat(1e5) + ')'.repeat(1e5)), /Error/);
  ok('SharedArray', deep[0].length === 1);
  throws('SharedArray too deep', () => deep[1], /nested deeper/);
  console.log(nested(1e4));
  ok('recursion', /stack overflow/.test(atTheEnd(() => {})));
  ok('with console', /stack overflow/.test(atTheEnd(() => console.debug({ a: [1] }))));
  ok('with groups', /stack overflow/.test(atTheEnd(() => group('g', () => {}))));
  ok('with conversions', /stack overflow/.test(atTheEnd(() => encoding.b64encode(new Uint8Array(10)))));
  ok('with proxies', /stack overflow/.test(atTheEnd(() => deep[0][0])));
  ok('with promises', /stack overflow/.test(atTheEnd(() => { Promise.resolve().then(() => {}); })));
  let depth = 0;
  const count = () => { depth++; count(); };
  throws('deep enough', count, /stack overflow/);
  ok(`more than 500 frames`, depth > 500);
}
