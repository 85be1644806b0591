import { clearInterval as ci, setInterval as si, setTimeout as st } from 'k6/timers';
import { is, ok, once, throws } from './lib/check.js';

let ticked = 0;
setTimeout(() => { ticked = 1; }, 5); // the init context waits for it
export const options = once;
export default async function () {
  is('timer of the init context', ticked, 1);
  const order = [];
  setTimeout((a, b) => order.push(`t20${a}${b}`), 20, 'x', 1);
  st(() => order.push('t5'), 5);
  setTimeout(() => order.push('t0'));
  const cleared = setTimeout(() => order.push('never'), 10);
  clearTimeout(cleared);
  clearTimeout(undefined);
  clearTimeout(12345);
  queueMicrotask(() => order.push('micro'));
  Promise.resolve().then(() => order.push('then'));
  order.push('sync');
  await new Promise((r) => setTimeout(r, 40));
  is('order', order, ['sync', 'micro', 'then', 't0', 't5', 't20x1']);
  let n = 0;
  await new Promise((r) => {
    const i = si(() => { if (++n === 3) { ci(i); r(); } }, 2);
  });
  is('interval', n, 3);
  const started = Date.now();
  setTimeout(() => { ok('the iteration waits', Date.now() - started >= 25); }, 30);
  throws('no function', () => setTimeout('code', 1), /callable/);
  is('what promises settle to', await Promise.allSettled([Promise.resolve(1), Promise.reject(2)]),
    [{ status: 'fulfilled', value: 1 }, { status: 'rejected', reason: 2 }]);
}
