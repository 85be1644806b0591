// TextEncoder and TextDecoder: encodings, broken data, chunks; and large texts at native speed.
// expect-none: level=error
import { is, ok, once, throws } from './lib/check.js';

const bytes = (...list) => new Uint8Array(list);
const codes = (text) => [...text].map((c) => c.codePointAt(0).toString(16)).join(' ');

export const options = once;
export default function () {
  const e = new TextEncoder();
  is('encode', [...e.encode('aä€😀')], [97, 195, 164, 226, 130, 172, 240, 159, 152, 128]);
  is('lone surrogates', [...e.encode('a\ud800b\udc00')], [97, 239, 191, 189, 98, 239, 191, 189]);
  is('nothing', [e.encode().length, e.encode('').length, e.encode('a\0b').length], [0, 0, 3]);
  const room = new Uint8Array(5);
  is('encodeInto', [e.encodeInto('a€ä', room), [...room]], [{ read: 2, written: 4 }, [97, 226, 130, 172, 0]]);

  const d = new TextDecoder();
  const all = e.encode('aä€😀');
  is('decode', d.decode(all), 'aä€😀');
  is('a view', d.decode(new DataView(all.buffer, 1, 2)), 'ä');
  is('nothing at all', [d.decode(), d.decode(new ArrayBuffer(0))], ['', '']);
  is('BOM', [d.decode(bytes(0xef, 0xbb, 0xbf, 97)), codes(new TextDecoder('utf8', { ignoreBOM: true }).decode(bytes(0xef, 0xbb, 0xbf, 97)))], ['a', 'feff 61']);
  is('only one BOM', codes(d.decode(bytes(0xef, 0xbb, 0xbf, 0xef, 0xbb, 0xbf))), 'feff');
  // The replacement characters of the standard, one for each maximal part of a character.
  is('broken', [[0xff], [0xc3], [0xe2, 0x82, 97], [0xf0, 0x9f, 0x98], [0xed, 0xa0, 0x80], [0xc0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe0, 0x80]]
    .map((x) => codes(d.decode(bytes(...x)))), ['fffd', 'fffd', 'fffd 61', 'fffd', 'fffd fffd fffd', 'fffd fffd', 'fffd fffd fffd fffd', 'fffd fffd']);
  throws('fatal', () => new TextDecoder('utf-8', { fatal: true }).decode(bytes(97, 0xff)), /TypeError: the data is not valid utf-8/);
  throws('fatal at the end', () => new TextDecoder('utf-8', { fatal: true }).decode(bytes(0xc3)), /not valid/);

  // Every way to cut a text gives the same text; a cut in a BOM too.
  const source = bytes(0xef, 0xbb, 0xbf, ...all, 0xff, 0xe2, 0x82, 97, ...all);
  const want = d.decode(source);
  for (const size of [1, 2, 3, 5]) {
    const s = new TextDecoder();
    let text = '';
    for (let i = 0; i < source.length; i += size) text += s.decode(source.subarray(i, i + size), { stream: true });
    is(`chunks of ${size}`, text + s.decode(), want);
  }
  const s = new TextDecoder('utf-8', { fatal: true });
  is('fatal stream', s.decode(bytes(0xe2, 0x82), { stream: true }), '');
  throws('its end', () => s.decode(), /not valid/);
  is('used again', s.decode(bytes(97)), 'a');

  is('utf-16le', new TextDecoder('utf-16le').decode(bytes(0xff, 0xfe, 97, 0, 0x3d, 0xd8, 0, 0xde)), 'a😀');
  is('utf-16be', new TextDecoder('utf-16be').decode(bytes(0, 97, 0xd8, 0x3d, 0xde, 0)), 'a😀');
  is('utf-16 broken', codes(new TextDecoder('utf-16').decode(bytes(0x3d, 0xd8, 97, 0, 98))), 'fffd 61 fffd');
  const u = new TextDecoder('utf-16le');
  is('utf-16 chunks', [[97], [0, 0x3d], [0xd8, 0], [0xde]].map((x) => u.decode(bytes(...x), { stream: true })).join('') + u.decode(), 'a😀');
  is('latin1', ['latin1', 'iso-8859-1', 'ascii', 'windows-1252'].map((l) => new TextDecoder(l).decode(bytes(97, 0xe4, 0x80, 0xff))), ['aä€ÿ', 'aä€ÿ', 'aä€ÿ', 'aä€ÿ']);
  is('names', [new TextDecoder(' UTF8 ').encoding, new TextDecoder('latin1').encoding, d.fatal, d.ignoreBOM, e.encoding], ['utf-8', 'windows-1252', false, false, 'utf-8']);
  throws('unknown', () => new TextDecoder('klingon'), /RangeError: unsupported encoding: klingon/);
  throws('no bytes', () => d.decode('text'), /TypeError/);

  const large = 'aä€😀'.repeat(500000);
  ok('large', d.decode(e.encode(large)) === large);
}
