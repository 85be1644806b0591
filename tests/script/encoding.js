import encoding, { b64decode, b64encode } from 'k6/encoding';
import { is, once, throws } from './lib/check.js';

export const options = once;
const bytes = (b) => Array.from(new Uint8Array(b));
export default function () {
  is('encode', ['', 'f', 'fo', 'foo', 'foob'].map((s) => b64encode(s)), ['', 'Zg==', 'Zm8=', 'Zm9v', 'Zm9vYg==']);
  is('raw', ['f', 'fo'].map((s) => b64encode(s, 'rawstd')), ['Zg', 'Zm8']);
  is('url', [b64encode('??>>', 'url'), b64encode('??>>', 'rawurl'), b64encode('??>>')], ['Pz8-Pg==', 'Pz8-Pg', 'Pz8+Pg==']);
  is('text is UTF-8', b64encode('hé'), 'aMOp');
  is('bytes', [b64encode(new Uint8Array([255, 254])), b64encode(new Uint8Array([255, 254]).buffer)], ['//4=', '//4=']);
  is('a part of a buffer', b64encode(new Uint8Array([1, 2, 3, 4]).subarray(1, 3)), 'AgM=');
  is('a view', b64encode(new DataView(new Uint8Array([1, 2, 3, 4]).buffer, 1, 2)), 'AgM=');
  is('decode', [b64decode('aMOp', 'std', 's'), bytes(b64decode('//4='))], ['hé', [255, 254]]);
  is('decode raw', [b64decode('Zg', 'rawstd', 's'), b64decode('Pz8-Pg', 'rawurl', 's')], ['f', '??>>']);
  is('line breaks', b64decode('Zm\r\n9v', 'std', 's'), 'foo');
  is('default export', encoding.b64decode('Zm8=', 'std', 's'), 'fo');
  throws('wrong letter', () => b64decode('Zm*v'), /illegal base64 data at input byte 2/);
  throws('no padding', () => b64decode('Zg'), /illegal base64/);
  throws('one digit', () => b64decode('Zm9vZ', 'rawstd'), /illegal base64/);
  throws('padding in the middle', () => b64decode('Zg==Zg=='), /illegal base64/);
  throws('no bytes', () => b64encode(5), /TypeError/);
}
