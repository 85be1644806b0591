/* The dashboard's arithmetic: node data.mjs FOLDER, of web/src/data as vite has built it for node. */
import assert from 'node:assert';
import { pathToFileURL } from 'node:url';

const { Thinned, nearestRow, rowAt } = await import(pathToFileURL(`${process.argv[2]}/thin.js`).href);

/* --- rows and seconds --- */

const t = [0, 1, 2, 5, 6, 9];
assert.deepEqual([-1, 0, 0.5, 2, 3, 9, 10].map((second) => rowAt(t, second)), [0, 0, 1, 2, 3, 5, 6]);
assert.deepEqual([-1, 0.4, 0.6, 3, 4, 100].map((second) => nearestRow(t, second)), [0, 0, 1, 2, 3, 5]);
assert.equal(nearestRow([], 1), -1);

/* --- fewer rows have the same extremes, in the same places --- */

let seed = 1;
const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;

for (const count of [1, 3, 999, 10000]) {
  const seconds = Array.from({ length: count }, (_, i) => i);
  const line = seconds.map((i) => (random() < 0.1 || (i > 400 && i < 500) ? null : random() * 100));
  const all = new Thinned([seconds, line]);
  assert.equal(all.of(0, count, count).rows, all.rows, 'a row for each pixel is no reason to thin');
  assert.equal(all.of(0, count, count / 3).size, 1, 'nor are three');
  const { rows: [thinT, thinLine], size } = all.of(0, count, Math.ceil(count / 20));
  if (count < 20) continue;
  assert.equal(size, 16);
  assert.equal(all.of(0, count, Math.ceil(count / 20)).rows[0], thinT, 'it is made once');
  assert.equal(thinT.length, thinLine.length);
  assert.equal(thinT.length, 2 * Math.ceil(count / size));
  thinT.forEach((second, i) => assert(i === 0 || second > thinT[i - 1], `seconds grow at ${i}`));
  for (let from = 0, i = 0; from < count; from += size, i += 2) {
    const there = line.slice(from, from + size).map((v, at) => ({ v, at })).filter(({ v }) => v != null);
    const pair = [thinLine[i], thinLine[i + 1]];
    if (there.length === 0) { assert.deepEqual(pair, [null, null]); continue; }
    const least = there.reduce((a, b) => (b.v < a.v ? b : a));
    const most = there.reduce((a, b) => (b.v > a.v ? b : a));
    assert.deepEqual(pair, least.at < most.at ? [least.v, most.v] : [most.v, least.v]);
  }
}
console.log('done');
