// crypto.subtle: what a JWK says of its own use holds (W3C Web Cryptography API; the key is that of RFC 7515 A.1.1).
// expect-none: level=error
import { is, once } from './lib/check.js';

const failure = (promise) => promise.then(() => 'nothing', (e) => e.name);
const k = 'AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow';
const hmac = { name: 'HMAC', hash: 'SHA-256' };
const take = (more, usages = ['sign'], extractable = true) =>
  failure(crypto.subtle.importKey('jwk', { kty: 'oct', k, ...more }, hmac, extractable, usages));
const aes = (more, usages = ['encrypt']) =>
  failure(crypto.subtle.importKey('jwk', { kty: 'oct', k: 'GawgguFyGrWKav7AX4VKUg', ...more }, 'AES-CBC', true, usages));

export const options = once;
export default async function () {
  is('alone', await take({}), 'nothing');
  is('all of it', await take({ alg: 'HS256', use: 'sig', key_ops: ['sign', 'verify'], ext: true }), 'nothing');
  is('use of another kind', await take({ use: 'enc' }), 'DataError');
  is('an AES key is for enc', await aes({ use: 'enc', alg: 'A128CBC' }), 'nothing');
  is('and not for sig', await aes({ use: 'sig' }), 'DataError');
  is('a usage that key_ops lack', await take({ key_ops: ['verify'] }), 'DataError');
  is('one of two', await take({ key_ops: ['sign'] }, ['sign', 'verify']), 'DataError');
  is('an operation twice', await take({ key_ops: ['sign', 'sign'] }), 'DataError');
  is('no list', await take({ key_ops: 'sign' }), 'DataError');
  is('operations unknown here', await take({ key_ops: ['sign', 'juggle'] }), 'nothing');
  is('not extractable', await take({ ext: false }), 'DataError');
  is('nor wanted to be', await take({ ext: false }, ['sign'], false), 'nothing');
  is('of another algorithm', await take({ alg: 'HS512' }), 'DataError');

  const key = await crypto.subtle.importKey('jwk', { kty: 'oct', k }, hmac, true, ['sign', 'verify']);
  const out = await crypto.subtle.exportKey('jwk', key);
  is('there and back', JSON.stringify([out.kty, out.k, out.alg, out.ext, out.key_ops]), JSON.stringify(['oct', k, 'HS256', true, ['sign', 'verify']]));
}
