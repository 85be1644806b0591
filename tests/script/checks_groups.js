import { check, fail, group } from 'k6';
import { is, ok, throws } from './lib/check.js';

export const options = { vus: 1, iterations: 1, thresholds: {
  'checks{check:yes}': ['rate==1'], 'checks{check:no}': ['rate==0'], 'checks{check:throws}': ['rate==0'],
  'checks{mine:1}': ['rate==0.5'], 'checks{group:::g}': ['rate==1'], 'group_duration{group:::g}': ['max<1000'],
  'checks{kind:own}': ['rate==1'] } };
const own = (name, got, want) => check(null, { [JSON.stringify(got) === JSON.stringify(want) ? name : `${name}: got ${JSON.stringify(got)}`]: JSON.stringify(got) === JSON.stringify(want) }, { kind: 'own' });
const refused = (name, fn, pattern) => {
  let text = '';
  try { fn(); } catch (e) { text = String(e); }
  own(name, [pattern.test(text), text].slice(0, 1), [true]);
};
export default function () {
  own('all pass', check(1, { yes: (v) => v === 1, 'yes too': true }), true);
  own('one fails', check(1, { yes: () => 1, no: () => 0 }, { mine: 1 }), false);
  refused('a throwing check', () => check(1, { throws: () => { throw new Error('inside'); } }), /inside/);
  refused('async', () => check(1, { a: async () => true }), /async/);
  refused('a promise', () => check(1, { a: () => Promise.resolve(true) }), /promise/);
  refused('no checks', () => check(1), /TypeError/);
  refused('a wrong name', () => check(1, { 'a::b': true }), /::/);
  own('group returns', group('g', () => { check(1, { inside: true }); return 42; }), 42);
  refused('group throws on', () => group('t', () => { throw new Error('out'); }), /out/);
  refused('group name', () => group('a::b', () => {}), /::/);
  refused('no function', () => group('a'), /TypeError/);
  refused('fail', () => fail('why'), /why/);
}
