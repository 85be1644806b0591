// group() with async functions: the tag follows each of them over its awaits (k6 #2728).
// expect-none: level=error
import exec from 'k6/execution';
import { check, group, sleep } from 'k6';
import { Counter } from 'k6/metrics';
import { is, ok } from './lib/check.js';

const steps = new Counter('steps');
export const options = { scenarios: { two: { executor: 'per-vu-iterations', vus: 1, iterations: 2 } }, thresholds: {
  checks: ['rate==1'], 'steps{group:::a}': ['count==8'], 'steps{group:::b}': ['count==8'], 'steps{group:::a::inner}': ['count==4'],
  'group_duration{group:::a}': ['min>0'], 'group_duration{group:::b}': ['max>0'] } };
const now = () => exec.vu.metrics.tags.group;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const here = (name, want) => is(`${name} in '${want.replaceAll('::', '/')}'`, now().replaceAll('::', '/'), want.replaceAll('::', '/'));

async function walk(name, ms) {
  for (let i = 0; i < 4; i++) { await pause(ms); here('step', name); steps.add(1); }
  await 1;
  here('no promise', name);
  await undefined; await null;
  here('none at all', name);
  return name;
}

export default async function () {
  here('start', '');
  const shared = pause(3).then(() => 'shared');
  const a = group('a', async () => {
    here('begin', '::a');
    const inner = group('inner', async () => {
      steps.add(1);
      await pause(1);
      steps.add(1);
      here('nested', '::a::inner');
    });
    here('after the nested one', '::a');
    const name = await walk('::a', 5);
    await inner;
    here('after awaiting it', '::a');
    is('a promise of outside', await shared, 'shared');
    here('after it', '::a');
    await Promise.all([pause(1), pause(2), shared]);
    here('after all', '::a');
    await Promise.race([pause(1), shared]).then(() => here('then', '::a'));
    for await (const x of (async function* () { yield 1; await pause(1); yield 2; })()) here(`generator ${x}`, '::a');
    setTimeout(() => here('timer', '::a'), 1);
    queueMicrotask(() => here('microtask', '::a'));
    sleep(0.001);
    await { then(resolve) { setTimeout(resolve, 1); } };
    return name;
  });
  here('after the call', '');
  const b = group('b', async () => { try { await walk('::b', 3); throw new Error('from b'); } finally { here('finally', '::b'); } })
    .catch((e) => { here('caught', ''); return e.message; });
  const c = group('c', async () => { await shared; here('shared', '::c'); });
  await pause(4);
  here('beside them', '');
  group('sync', () => { here('inside', '::sync'); Promise.resolve().then(() => here('its microtask', '::sync')); });
  here('after a sync one', '');
  is('value', await a, '::a');
  here('after a', '');
  is('error', await b, 'from b');
  await c;
  here('end', '');
  await group('late', async () => 1);
  here('the very end', '');
  ok('constructor', Promise.prototype.constructor === Promise && Promise.resolve(1).constructor === Promise);
  class Mine extends Promise {}
  ok('subclass', (await new Mine((r) => r(7)).then((x) => x + 1)) === 8 && Mine.resolve(1) instanceof Mine);
  function Old() {}
  Old.prototype = Object.create(Promise.prototype);
  Old.prototype.constructor = Old;
  ok('assigned', Old.prototype.constructor === Old);
  check(null, { 'sync check': () => now() === '' });
  group('left behind', async () => { await pause(1); here('alone', '::left behind'); }); // nobody awaits it
}
