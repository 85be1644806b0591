// k6/crypto against published vectors: RFC 1320, 1321, 3174, FIPS 180-4, RIPEMD-160's paper, RFC 2202 and 4231.
import crypto from 'k6/crypto';
import { is, ok, once, throws } from './lib/check.js';

export const options = once;
const ABC = {
  md4: 'a448017aaf21d8525fc10ae87aa6729d', md5: '900150983cd24fb0d6963f7d28e17f72', sha1: 'a9993e364706816aba3e25717850c26c9cd0d89d',
  sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  sha384: 'cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7',
  sha512: 'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
  sha512_224: '4634270f707b6a54daae7530460842e20e37ed265ceee9a43e8924aa', sha512_256: '53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23',
  ripemd160: '8eb208f7e05d987a9b044a8e98c6b087f15a0bfc',
};
export default function () {
  for (const [name, want] of Object.entries(ABC)) {
    is(name, crypto[name]('abc', 'hex'), want);
    const h = crypto.createHash(name);
    h.update('a');
    h.update(new Uint8Array([98, 99]));
    is(`${name} in parts`, [h.digest('hex'), h.digest('hex')], [want, want]);
    is(`${name} as bytes`, crypto.hexEncode(crypto[name](new Uint8Array([97, 98, 99]).buffer, 'binary')), want);
  }
  const hmac = (name) => crypto.hmac(name, 'Jefe', 'what do ya want for nothing?', 'hex');
  is('hmac', [hmac('md5'), hmac('sha1'), hmac('sha256')], ['750c783e6ab0b503eaa86e310a5db738', 'effcdf6ae5eb2fa2d27416d5f184df9c259a7c79',
    '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843']);
  const m = crypto.createHMAC('sha256', new Uint8Array([74, 101, 102, 101]).buffer);
  m.update('what do ya want ');
  m.update('for nothing?');
  is('hmac in parts', m.digest('hex'), hmac('sha256'));
  const std = crypto.md5('a', 'base64');
  is('base64', std, 'DMF1ucDxtqgxw5niaXcmYQ==');
  is('variants', ['base64url', 'base64rawurl'].map((e) => crypto.sha1('15', e)), [crypto.sha1('15', 'base64'), crypto.sha1('15', 'base64').replace(/=+$/, '')]
    .map((x) => x.replaceAll('+', '-').replaceAll('/', '_')));
  ok('random', crypto.hexEncode(crypto.randomBytes(8)) !== crypto.hexEncode(crypto.randomBytes(8)) && crypto.randomBytes(8).byteLength === 8);
  is('hexEncode', [crypto.hexEncode('az'), crypto.hexEncode(new Uint8Array([0, 255]))], ['617a', '00ff']);
  throws('algorithm', () => crypto.createHash('sha3'), /sha3/);
  throws('encoding', () => crypto.md5('x', 'klingon'), /klingon/);
  throws('size', () => crypto.randomBytes(-1), /./);
  throws('input', () => crypto.md5(), /./);
}
