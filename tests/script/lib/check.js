// What the script tests check with: a run fails (exit code 99) unless every check passed.
import { check } from 'k6';

export const once = { vus: 1, iterations: 1, thresholds: { checks: ['rate==1'] } };

// Equality by JSON text, so that a failing check's name tells both sides.
export function is(name, got, want) {
  const g = JSON.stringify(got);
  const w = JSON.stringify(want);
  check(null, { [g === w ? name : `${name}: got ${g} want ${w}`]: g === w });
}

export function ok(name, condition) {
  is(name, !!condition, true);
}

// The function throws an error whose text matches.
export function throws(name, fn, pattern) {
  let text = 'nothing was thrown';
  try {
    fn();
  } catch (e) {
    text = String(e);
  }
  ok(`${name} (${text})`, pattern.test(text));
}
