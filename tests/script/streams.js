// k6/experimental/streams: chunks, back pressure, errors, both ways.
// expect-none: level=error
import { CountQueuingStrategy, ReadableStream, WritableStream } from 'k6/experimental/streams';
import { is, ok, once, throws } from './lib/check.js';

const rejected = async (promise) => { try { await promise; return 'no'; } catch (e) { return String(e.message ?? e); } };

export const options = once;
export default async function () {
  let n = 0, cancelled;
  const r = new ReadableStream({ pull(c) { c.enqueue(++n); if (n === 4) c.close(); }, cancel(why) { cancelled = why; } },
    new CountQueuingStrategy({ highWaterMark: 2 }));
  await null; await null; await null; await null; await null;
  is('fills up to the mark', n, 2);
  const reader = r.getReader();
  throws('locked', () => r.getReader(), /locked/);
  const got = [];
  for (let x = await reader.read(); !x.done; x = await reader.read()) got.push(x.value);
  is('chunks', got, [1, 2, 3, 4]);
  await reader.closed;
  reader.releaseLock();
  ok('unlocked', !r.locked);
  is('read after release', await rejected(reader.read()), 'the reader has released its stream');
  const [one, two] = new ReadableStream({ start(c) { c.enqueue('a'); c.enqueue('b'); c.close(); } }).tee();
  const list = async (stream) => { const all = []; for await (const x of stream) all.push(x); return all; };
  is('tee', [await list(one), await list(two)], [['a', 'b'], ['a', 'b']]);
  let left;
  for await (const x of new ReadableStream({ start(c) { c.enqueue(1); c.enqueue(2); }, cancel() { left = true; } })) if (x) break;
  ok('a loop that is left cancels', left);
  const bad = new ReadableStream({ start(c) { c.error(new Error('broken')); } }).getReader();
  is('error', await rejected(bad.read()), 'broken');
  is('pull fails', await rejected(new ReadableStream({ pull() { throw new Error('pull'); } }).getReader().read()), 'pull');
  const endless = new ReadableStream({ start(c) { c.enqueue(1); }, cancel(why) { cancelled = why; } });
  await endless.cancel('enough');
  is('cancel', [cancelled, (await endless.getReader().read()).done], ['enough', true]);
  throws('bytes', () => new ReadableStream({ type: 'bytes' }), /not supported/);
  throws('mark', () => new ReadableStream({}, { highWaterMark: -1 }), /highWaterMark/);

  const out = [];
  const w = new WritableStream({ start() { out.push('start'); }, async write(x) { await null; out.push(x); }, close() { out.push('end'); } });
  const writer = w.getWriter();
  is('room', writer.desiredSize, 1);
  writer.write('a');
  is('no room', writer.desiredSize, 0);
  await writer.ready;
  await writer.write('b');
  await writer.close();
  await writer.closed;
  is('written', out, ['start', 'a', 'b', 'end']);
  ok('write after close', /closed/.test(await rejected(writer.write('c'))));
  const failing = new WritableStream({ write() { throw new Error('full'); } }).getWriter();
  is('write fails', await rejected(failing.write(1)), 'full');
  is('and the next', await rejected(failing.write(2)), 'full');
  let why;
  const aborted = new WritableStream({ abort(reason) { why = reason; } }).getWriter();
  await aborted.abort('stop');
  is('abort', [why, await rejected(aborted.closed)], ['stop', 'stop']);
}
