// k6/experimental/fs: one file, a position of each File's own.
// expect-none: level=error
import { open, SeekMode } from 'k6/experimental/fs';
import { is, once } from './lib/check.js';

const file = await open('./data/list.json');
const rejected = async (promise) => { try { await promise; return 'no'; } catch (e) { return e.message; } };
const missing = await rejected(open('./data/none.json'));
const empty = await rejected(open(''));

export const options = { ...once, vus: 2, iterations: 2 };
export default async function () {
  const { name, size } = await file.stat();
  is('stat', [name, size > 4, file.path.endsWith('/tests/script/data/list.json')], ['list.json', true, true]);
  const all = new Uint8Array(size + 5);
  is('read', [await file.seek(0, SeekMode.Start), await file.read(all), await file.read(all)], [0, size, null]);
  const two = new Uint8Array(2);
  is('seek', [await file.seek(-2, SeekMode.End), await file.read(two), await file.seek(-1, SeekMode.Current)], [size - 2, 2, size - 1]);
  is('bytes', Array.from(two), Array.from(all.subarray(size - 2, size)));
  is('errors', [/none\.json/.test(missing), /empty path/.test(empty)], [true, true]);
  is('before the start', /outside/.test(await rejected(file.seek(-1, SeekMode.Start))), true);
  is('from the end', /positive/.test(await rejected(file.seek(1, SeekMode.End))), true);
  is('mode', /SeekMode/.test(await rejected(file.seek(1, 7))), true);
  is('buffer', /Uint8Array/.test(await rejected(file.read([]))), true);
  is('late', /init context/.test(await rejected(open('./data/list.json'))), true);
}
