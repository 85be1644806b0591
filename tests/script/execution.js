// expect-stderr: only String, Boolean and Number types are accepted
import exec from 'k6/execution';
import { test, vu } from 'k6/execution';
import { Counter } from 'k6/metrics';
import { is, ok, throws } from './lib/check.js';

const seen = new Counter('seen');
const early = [];
for (const read of [() => exec.vu.idInTest, () => exec.scenario.name, () => exec.instance.vusActive, () => exec.test.options]) {
  try {
    read();
  } catch (e) {
    early.push(e.message);
  }
}

export const options = {
  scenarios: {
    one: { executor: 'per-vu-iterations', vus: 2, iterations: 2, env: { WHO: 'one' }, tags: { team: 'x' } },
    two: { executor: 'shared-iterations', vus: 1, iterations: 1, startTime: '500ms', exec: 'second' },
  },
  thresholds: {
    checks: ['rate==1'], 'seen{user:7}': ['count==4'], 'seen{team:x}': ['count==4'],
    'seen{scenario:two}': ['count==1'], 'seen{group:::a::b}': ['count==4'],
  },
};
export function setup() {
  throws('scenario in setup', () => exec.scenario.name, /outside of the VU context/);
  is('VU of setup', [exec.vu.idInInstance, __VU], [0, 0]);
  is('env of setup', __ENV.WHO, undefined);
}
export default function () {
  is('named exports', [vu.idInTest, typeof test.abort], [exec.vu.idInTest, 'function']);
  ok('id', exec.vu.idInInstance === __VU && __VU >= 1 && __VU <= 2);
  is('iterations', [exec.vu.iterationInScenario, exec.vu.iterationInInstance], [__ITER, __ITER]);
  is('scenario', [exec.scenario.name, exec.scenario.executor], ['one', 'per-vu-iterations']);
  ok('numbers', exec.scenario.iterationInTest < 4 && exec.scenario.iterationInInstance < 4);
  ok('start', Math.abs(exec.scenario.startTime - Date.now()) < 5000);
  ok('progress', exec.scenario.progress >= 0 && exec.scenario.progress <= 1);
  ok('instance', exec.instance.vusActive >= 1 && exec.instance.vusInitialized === 3);
  ok('duration', exec.instance.currentTestRunDuration > 0);
  is('options', exec.test.options.scenarios.one.vus, 2);
  is('env', __ENV.WHO, 'one');
  is('early reads throw', early.length, 4);

  exec.vu.tags.user = 7;
  is('tags', [exec.vu.metrics.tags.user, exec.vu.tags.scenario, exec.vu.tags.team, exec.vu.tags.nope], ['7', 'one', 'x', undefined]);
  ok('keys', Object.keys(exec.vu.tags).includes('user') && 'user' in exec.vu.tags);
  exec.vu.tags.wrong = {};
  is('a wrong value is not taken', exec.vu.tags.wrong, undefined);
  exec.vu.metrics.metadata.trace = 'abc';
  is('metadata', [exec.vu.metrics.metadata.trace, Object.keys(exec.vu.metrics.metadata)], ['abc', ['trace']]);
  delete exec.vu.metrics.metadata.trace;
  is('metadata deleted', exec.vu.metrics.metadata.trace, undefined);
  group('a', () => group('b', () => { seen.add(1); exec.vu.tags.inner = 'kept'; }));
  is('tags set in a group stay', [exec.vu.tags.inner, exec.vu.tags.group], ['kept', '']);
  delete exec.vu.tags.inner;
}
export function second() {
  is('another scenario, other tags and variables', [__ENV.WHO, exec.vu.tags.user, exec.vu.tags.team], [undefined, undefined, undefined]);
  is('iterations', [exec.vu.iterationInScenario, exec.vu.iterationInInstance, __ITER], [0, 0, 0]);
  seen.add(1);
}
import { group } from 'k6';
