// A script that never yields shares its thread, and its scenario's end interrupts it.
// args: --workers 1
// expect-none: caught
import { sleep } from 'k6';
import { Counter } from 'k6/metrics';

const ticks = new Counter('ticks');
export const options = {
  scenarios: {
    busy: { executor: 'constant-vus', vus: 2, duration: '1s', gracefulStop: '0s', exec: 'busy' },
    stubborn: { executor: 'constant-vus', vus: 1, duration: '1s', gracefulStop: '0s', exec: 'stubborn' },
    pending: { executor: 'constant-vus', vus: 1, duration: '1s', gracefulStop: '0s', exec: 'pending' },
    ticking: { executor: 'constant-vus', vus: 1, duration: '1s', exec: 'tick' },
  },
  thresholds: { ticks: ['count>30'], 'iterations{scenario:busy}': ['count==0'], 'iterations{scenario:stubborn}': ['count==0'], 'iterations{scenario:pending}': ['count==0'] },
};
export function busy() {
  while (true) {}
}
export function stubborn() {
  for (;;) {
    try {
      sleep(5);
    } catch (e) {
      console.log('caught');
    }
  }
}
export async function pending() {
  setInterval(() => {}, 10);
  try {
    await new Promise(() => {});
  } catch (e) {
    console.log('caught');
  }
}
export function tick() {
  sleep(0.01);
  ticks.add(1);
}
