// Blob of k6/websockets: parts of every kind, slices, and the ways to read it.
// expect-none: level=error
import { Blob } from 'k6/websockets';
import { is, ok, once, throws } from './lib/check.js';

export const options = once;
export default async function () {
  const b = new Blob(['aé', new Uint8Array([66, 67]), new Uint8Array([68]).buffer, new DataView(new Uint8Array([69]).buffer), new Blob(['F'])], { type: 'text/plain' });
  is('size and type', [b.size, b.type, new Blob().size, new Blob(['x']).type], [8, 'text/plain', 0, '']);
  is('text', await b.text(), 'aéBCDEF');
  is('bytes', [...await b.bytes()].slice(3), [66, 67, 68, 69, 70]);
  ok('buffer', (await b.arrayBuffer()) instanceof ArrayBuffer);
  const part = b.slice(3, -2, 'x/y');
  is('slice', [await part.text(), part.type, await b.slice(-1).text(), b.slice(5, 2).size], ['BCD', 'x/y', 'F', 0]);
  const chunks = [];
  for await (const chunk of b.stream()) chunks.push(...chunk);
  is('stream', chunks.length, 8);
  throws('parts', () => new Blob('text'), /TypeError/);
}
