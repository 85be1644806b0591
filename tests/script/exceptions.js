// What ends an iteration: logged once with a stack, and the next one runs.
// expect-stderr: level=error msg="Error: plain\n\tat plain (file://
// expect-stderr: msg="Error: from async
// expect-stderr: msg="Error: from a timer
// expect-stderr: msg="Error: nobody
// expect-stderr: msg="just text" executor=per-vu-iterations scenario=default source=stacktrace
// expect-stderr: msg="InternalError: stack overflow
// expect-stderr: more\n
// expect-none: never printed
// expect-none: printed afterwards
import { fail } from 'k6';
import { Counter } from 'k6/metrics';

const started = new Counter('started');
export const options = {
  scenarios: { default: { executor: 'per-vu-iterations', vus: 1, iterations: 8 } },
  thresholds: { started: ['count==8'], iterations: ['count==8'] },
};

function forever(n) {
  return forever(n + 1) + 1;
}

export default async function () {
  started.add(1);
  switch (__ITER) {
    case 1:
      throw new Error('from async');
    case 2:
      setTimeout(() => {
        throw new Error('from a timer');
      }, 1);
      setTimeout(() => console.log('printed afterwards'), 20);
      setInterval(() => {}, 5);
      return;
    case 3:
      Promise.reject(new Error('nobody'));
      return;
    case 4:
      throw 'just text';
    case 5:
      forever(0);
      return;
    case 6:
      try {
        await Promise.reject(1);
      } catch (e) {
        return;
      }
      console.log('never printed');
      return;
    case 7:
      fail('on purpose');
  }
  plain();
}

function plain() {
  if (__ITER === 0) {
    throw new Error('plain');
  }
}
