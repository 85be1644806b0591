// Options and params often come from the environment, where all is text: digits are numbers there, and milliseconds where a duration stands.
// env: MY_VUS=2
// env: MY_RATE=20
// env: MY_MSEC=1000
import http from 'k6/http';
import exec from 'k6/execution';

export const options = {
  batch: __ENV.MY_VUS,
  setupTimeout: '5000',
  scenarios: {
    all: { executor: 'shared-iterations', vus: __ENV.MY_VUS, iterations: '4' },
    rate: {
      executor: 'constant-arrival-rate',
      rate: __ENV.MY_RATE,
      timeUnit: __ENV.MY_MSEC,
      duration: __ENV.MY_MSEC,
      preAllocatedVUs: __ENV.MY_VUS,
      exec: 'none',
    },
  },
  thresholds: { 'iterations{scenario:all}': ['count==4'], 'iterations{scenario:rate}': ['count>0'] },
};

export function none() {}

export default function () {
  if (exec.test.options.scenarios.all.vus !== 2) throw new Error('vus is not 2');
  http.get('http://127.0.0.1:1/', { timeout: '2500' });
}
