// setup(), teardown() and the copy of the data that each VU has.
// expect-stderr: teardown saw { when: \"setup\", list: [ 1 ] }
import { check } from 'k6';

export const options = { scenarios: { a: { executor: 'per-vu-iterations', vus: 2, iterations: 3 } }, thresholds: { checks: ['rate==1'] } };
export async function setup() {
  const when = await new Promise((r) => setTimeout(() => r('setup'), 5));
  return { when, list: [1], dropped: undefined };
}
export default function (data) {
  check(data, {
    'is a copy of its own': (d) => d.when === 'setup' && d.list.length === 1 + __ITER,
    'undefined is gone': (d) => !('dropped' in d),
  });
  data.list.push(__VU);
}
export function teardown(data) {
  console.log('teardown saw', data);
}
