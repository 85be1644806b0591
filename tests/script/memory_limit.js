// A VU that passes its memory limit fails its iteration, clearly, and goes on with the next.
// args: --vu-memory-limit 16MB
// expect-stderr: the VU has reached its memory limit of 16000000 bytes
export const options = { vus: 1, iterations: 3, thresholds: { iterations: ['count==3'], checks: ['rate==1'] } };
import { check } from 'k6';
export default function () {
  if (__ITER === 1) {
    const all = [];
    for (;;) all.push('x'.repeat(10000) + all.length);
  }
  check(1, { 'goes on': true });
}
