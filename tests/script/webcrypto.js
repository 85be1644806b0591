// crypto.subtle: AES-CTR counts in the low `length` bits only (the wanted texts are what other engines' WebCrypto gives),
// and what a key may be used for can't be widened afterwards.
// expect-none: level=error
import { is, ok, once } from './lib/check.js';

const hex = (buffer) => [...new Uint8Array(buffer)].map((b) => b.toString(16).padStart(2, '0')).join('');
const failure = (promise) => promise.then(() => 'nothing', (e) => e.name);

export const options = once;
export default async function () {
  const raw = Uint8Array.from({ length: 16 }, (_, i) => i);
  const counter = new Uint8Array(16).fill(0xff);
  const key = await crypto.subtle.importKey('raw', raw, 'AES-CTR', false, ['encrypt', 'decrypt']);
  const first = '3c441f32ce07822364d7a2990e50bb13';
  const rest = {
    1: 'b6b5c2d82d8bd40fcf4ed8f4ae6e97ee',
    4: 'ef85273d86198e1749fea5cc339f50d39a5cceca64afca48',
    8: '90dcf07a729615b8537aaafb90b8ec834be90bda27f92f1d',
    64: '25d4e948bd5e1296afc0bf87095a724826f577083a172c86',
    127: '4399572cd6ea5341b8d35876a7098af77b7b20c6f6e3f33f',
    128: 'c6a13b37878f5b826f4f8162a1c8d8797346139595c0b41e',
  };
  for (const [length, wanted] of Object.entries(rest)) {
    const algorithm = { name: 'AES-CTR', counter, length: Number(length) };
    const zeros = new Uint8Array(16 + wanted.length / 2);
    const sealed = await crypto.subtle.encrypt(algorithm, key, zeros);
    is(`a counter of ${length} bits`, hex(sealed), first + wanted);
    is('and back', hex(await crypto.subtle.decrypt(algorithm, key, sealed)), hex(zeros));
  }
  is('more than it can count', await failure(crypto.subtle.encrypt({ name: 'AES-CTR', counter, length: 1 }, key, new Uint8Array(33))), 'OperationError');
  is('nothing', (await crypto.subtle.encrypt({ name: 'AES-CTR', counter, length: 1 }, key, new Uint8Array(0))).byteLength, 0);

  const onlyOpens = await crypto.subtle.importKey('raw', raw, 'AES-CTR', false, ['decrypt']);
  let refused = false;
  try { onlyOpens.usages.push('encrypt'); } catch (e) { refused = e instanceof TypeError; }
  ok('usages are fixed', refused);
  is('and hold', await failure(crypto.subtle.encrypt({ name: 'AES-CTR', counter, length: 64 }, onlyOpens, raw)), 'InvalidAccessError');
}
