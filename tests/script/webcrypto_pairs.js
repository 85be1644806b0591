// crypto.subtle's key pairs: what keys may be used for, what is refused and by which name (W3C Web Cryptography API).
// expect-none: level=error
import { is, ok, once } from './lib/check.js';

const s = crypto.subtle;
const failure = (promise) => promise.then((v) => (v === true || v === false ? v : 'nothing'), (e) => e.name);
const rsa = (name, hash = 'SHA-256') => ({ name, hash, modulusLength: 1024, publicExponent: new Uint8Array([1, 0, 1]) });
const ES = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DH = { name: 'ECDH', namedCurve: 'P-256' };
const RS = rsa('RSASSA-PKCS1-v1_5');
const data = new Uint8Array([1, 2, 3]);

async function generating() {
  const bad = (algorithm, usages = ['sign', 'verify']) => failure(s.generateKey(algorithm, true, usages));
  const pair = await s.generateKey(rsa('RSA-PSS', 'SHA-384'), false, ['sign', 'verify']);
  is('the private key', [pair.privateKey.type, pair.privateKey.extractable, pair.privateKey.usages], ['private', false, ['sign']]);
  is('the public key', [pair.publicKey.type, pair.publicKey.extractable, pair.publicKey.usages], ['public', true, ['verify']]);
  const { algorithm } = pair.publicKey;
  is('its algorithm', [algorithm.name, algorithm.modulusLength, [...algorithm.publicExponent], algorithm.hash.name], ['RSA-PSS', 1024, [1, 0, 1], 'SHA-384']);
  ok('keys are CryptoKeys', pair.publicKey instanceof CryptoKey && String(pair.publicKey) === '[object CryptoKey]');
  is('nothing for the private key', await bad(RS, ['verify']), 'SyntaxError');
  is('nothing at all', await bad(DH, []), 'SyntaxError');
  is('of another algorithm', await bad(RS, ['encrypt', 'sign']), 'SyntaxError');
  is('unknown usage', await bad(RS, ['juggle']), 'TypeError');
  is('no usages', await bad(RS, null), 'TypeError');
  is('unknown hash', await bad(rsa('RSA-PSS', 'SHA-3')), 'NotSupportedError');
  is('no hash', await bad(rsa('RSA-PSS', null)), 'TypeError');
  is('unknown curve', await bad({ name: 'ECDSA', namedCurve: 'P-255' }), 'NotSupportedError');
  is('a name of Object', await bad({ name: 'ECDSA', namedCurve: 'toString' }), 'NotSupportedError');
  is('no curve', await bad({ name: 'ECDSA' }), 'TypeError');
  is('unknown algorithm', await bad({ name: 'toString' }), 'NotSupportedError');
  is('nothing to generate', await bad('PBKDF2', ['deriveBits']), 'NotSupportedError');
  for (const modulusLength of [0, -1, 511, 16385, 2 ** 40, 1024.5, NaN]) is(`${modulusLength} bits`, await bad({ ...RS, modulusLength }), 'OperationError');
  for (const e of [[], [1], [2], [1, 0, 0], [1, 0, 0, 0, 1]]) is(`exponent ${e}`, await bad({ ...RS, publicExponent: new Uint8Array(e) }), 'OperationError');
  is('an exponent that is a list', await bad({ ...RS, publicExponent: [1, 0, 1] }), 'TypeError');
}

async function signing() {
  const pss = await s.generateKey(rsa('RSA-PSS'), true, ['sign', 'verify']);
  const es = await s.generateKey(ES, true, ['sign', 'verify']);
  const PSS = (saltLength) => ({ name: 'RSA-PSS', saltLength });
  const signature = await s.sign(PSS(32), pss.privateKey, data);
  ok('PSS', await s.verify(PSS(32), pss.publicKey, signature, data));
  ok('in lower case', await s.verify({ name: 'rsa-pss', saltLength: 32 }, pss.publicKey, signature, data));
  is('another salt length', await s.verify(PSS(20), pss.publicKey, signature, data), false);
  is('the longest salt', (await s.sign(PSS(94), pss.privateKey, data)).byteLength, 128);
  is('too long', await failure(s.sign(PSS(95), pss.privateKey, data)), 'OperationError');
  is('no salt length', await failure(s.sign('RSA-PSS', pss.privateKey, data)), 'TypeError');
  is('signing with the public key', await failure(s.sign(PSS(32), pss.publicKey, data)), 'InvalidAccessError');
  is('verifying with the private one', await failure(s.verify(PSS(32), pss.privateKey, signature, data)), 'InvalidAccessError');
  is('by another algorithm', await failure(s.sign('RSASSA-PKCS1-v1_5', pss.privateKey, data)), 'InvalidAccessError');
  is('by one that does not sign', await failure(s.sign('ECDH', es.privateKey, data)), 'NotSupportedError');
  is('no key', await failure(s.sign(PSS(32), {}, data)), 'TypeError');
  is('text', await failure(s.sign(PSS(32), pss.privateKey, 'text')), 'TypeError');
  is('a view of some bytes', await s.verify(PSS(32), pss.publicKey, signature, new DataView(new Uint8Array([9, 1, 2, 3, 9]).buffer, 1, 3)), true);
  for (const junk of [new Uint8Array(0), data, new Uint8Array(128), new Uint8Array(100000)]) {
    is(`${junk.length} bytes for PSS`, await s.verify(PSS(32), pss.publicKey, junk, data), false);
    is(`${junk.length} bytes for ECDSA`, await s.verify(ES, es.publicKey, junk, data), false);
  }
  is('ECDSA of zeros', await s.verify(ES, es.publicKey, new Uint8Array(64), data), false);
  is('ECDSA of ones', await s.verify(ES, es.publicKey, new Uint8Array(64).fill(255), data), false);
  is('no hash', await failure(s.sign('ECDSA', es.privateKey, data)), 'TypeError');
  const changed = data.slice();
  const pending = s.sign(PSS(0), pss.privateKey, changed);
  changed[0] = 9;
  ok('what counts is the data at the call', await s.verify(PSS(0), pss.publicKey, await pending, data));
}

async function encrypting() {
  const pair = await s.generateKey(rsa('RSA-OAEP', 'SHA-1'), true, ['encrypt', 'decrypt']);
  const label = new Uint8Array([7]);
  const sealed = await s.encrypt({ name: 'RSA-OAEP', label }, pair.publicKey, data);
  is('OAEP', [...new Uint8Array(await s.decrypt({ name: 'RSA-OAEP', label }, pair.privateKey, sealed))], [1, 2, 3]);
  is('another label', await failure(s.decrypt('RSA-OAEP', pair.privateKey, sealed)), 'OperationError');
  is('the longest', (await s.encrypt('RSA-OAEP', pair.publicKey, new Uint8Array(86))).byteLength, 128);
  is('too long', await failure(s.encrypt('RSA-OAEP', pair.publicKey, new Uint8Array(87))), 'OperationError');
  is('nothing', (await s.decrypt('RSA-OAEP', pair.privateKey, await s.encrypt('RSA-OAEP', pair.publicKey, new Uint8Array(0)))).byteLength, 0);
  for (const n of [0, 1, 127, 128, 129, 100000]) is(`${n} bytes of junk`, await failure(s.decrypt('RSA-OAEP', pair.privateKey, new Uint8Array(n))), 'OperationError');
  is('with the private key', await failure(s.encrypt('RSA-OAEP', pair.privateKey, data)), 'InvalidAccessError');
  is('a label of text', await failure(s.encrypt({ name: 'RSA-OAEP', label: 'x' }, pair.publicKey, data)), 'TypeError');
  is('too short for that hash', await failure(s.generateKey({ ...rsa('RSA-OAEP', 'SHA-512'), modulusLength: 1024 }, true, ['encrypt', 'decrypt'])
    .then((k) => s.encrypt('RSA-OAEP', k.publicKey, new Uint8Array(0)))), 'OperationError');
}

async function agreeing() {
  const a = await s.generateKey(DH, false, ['deriveBits', 'deriveKey']);
  const b = await s.generateKey(DH, false, ['deriveBits']);
  const other = await s.generateKey({ name: 'ECDH', namedCurve: 'P-384' }, false, ['deriveBits']);
  const es = await s.generateKey(ES, false, ['sign']);
  const derive = (pub, key, bits) => s.deriveBits({ name: 'ECDH', public: pub }, key, bits);
  is('both sides', new Uint8Array(await derive(b.publicKey, a.privateKey, 256)).join(), new Uint8Array(await derive(a.publicKey, b.privateKey)).join());
  is('no bits', (await derive(b.publicKey, a.privateKey, 0)).byteLength, 0);
  for (const bits of [257, -8, 1.5, NaN]) is(`${bits} bits`, await failure(derive(b.publicKey, a.privateKey, bits)), 'OperationError');
  is('a private key as the public one', await failure(derive(b.privateKey, a.privateKey, 8)), 'InvalidAccessError');
  is('the public key for oneself', await failure(derive(b.publicKey, a.publicKey, 8)), 'InvalidAccessError');
  is('another curve', await failure(derive(other.publicKey, a.privateKey, 8)), 'InvalidAccessError');
  is('a key of ECDSA', await failure(derive(es.publicKey, a.privateKey, 8)), 'InvalidAccessError');
  is('none', await failure(derive(undefined, a.privateKey, 8)), 'TypeError');
  const to = (derived, usages, key = a.privateKey) => s.deriveKey({ name: 'ECDH', public: b.publicKey }, key, derived, true, usages);
  is('AES', (await to({ name: 'AES-GCM', length: 256 }, ['encrypt'])).algorithm, { name: 'AES-GCM', length: 256 });
  is('HKDF', (await failure(to('HKDF', ['deriveBits']))), 'SyntaxError'); // extractable
  is('HMAC as long as its block', await failure(to({ name: 'HMAC', hash: 'SHA-256' }, ['sign'])), 'OperationError');
  is('HMAC', (await to({ name: 'HMAC', hash: 'SHA-256', length: 200 }, ['sign'])).algorithm.length, 200);
  is('AES of 200 bits', await failure(to({ name: 'AES-GCM', length: 200 }, ['encrypt'])), 'OperationError');
  is('a pair', await failure(to(ES, ['sign'])), 'NotSupportedError');
  is('without a usage', await failure(to({ name: 'AES-GCM', length: 128 }, [])), 'SyntaxError');
  is('with a key for bits only', await failure(to({ name: 'AES-GCM', length: 128 }, ['encrypt'], b.privateKey)), 'InvalidAccessError');
}

async function exporting() {
  const hidden = await s.generateKey(ES, false, ['sign']);
  is('not extractable', await failure(s.exportKey('pkcs8', hidden.privateKey)), 'InvalidAccessError');
  is('public keys always are', await failure(s.exportKey('spki', hidden.publicKey)), 'nothing');
  const es = await s.generateKey(ES, true, ['sign', 'verify']);
  const rs = await s.generateKey(RS, true, ['sign', 'verify']);
  is('spki of a private key', await failure(s.exportKey('spki', es.privateKey)), 'InvalidAccessError');
  is('pkcs8 of a public key', await failure(s.exportKey('pkcs8', es.publicKey)), 'InvalidAccessError');
  is('raw of a private key', await failure(s.exportKey('raw', es.privateKey)), 'InvalidAccessError');
  is('raw of RSA', await failure(s.exportKey('raw', rs.publicKey)), 'NotSupportedError');
  is('unknown format', await failure(s.exportKey('pem', rs.publicKey)), 'TypeError');
  is('names of a private JWK', Object.keys(await s.exportKey('jwk', rs.privateKey)), ['kty', 'alg', 'n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi', 'key_ops', 'ext']);
  is('names of a public one', Object.keys(await s.exportKey('jwk', es.publicKey)), ['kty', 'crv', 'x', 'y', 'key_ops', 'ext']);
}

async function importing() {
  const es = await s.generateKey(ES, true, ['sign', 'verify']);
  const rs = await s.generateKey({ ...RS, modulusLength: 2048 }, true, ['sign', 'verify']);
  const e = await s.exportKey('jwk', es.privateKey);
  const r = await s.exportKey('jwk', rs.privateKey);
  delete e.key_ops;
  delete r.key_ops;
  const pub = { kty: 'EC', crv: 'P-256', x: e.x, y: e.y };
  const jwk = (key, algorithm, usages) => failure(s.importKey('jwk', key, algorithm, true, usages));
  is('private', await jwk(e, ES, ['sign']), 'nothing');
  is('public', await jwk({ ...pub, alg: 'ES256', use: 'sig' }, ES, []), 'nothing');
  is('a private key that may do nothing', await jwk(e, ES, []), 'SyntaxError');
  is('a public key that signs', await jwk(pub, ES, ['sign']), 'SyntaxError');
  const wrong = {
    'its curve': [{ ...pub, crv: 'P-384' }, ES], 'its alg': [{ ...pub, alg: 'ES384' }, ES], 'its use': [{ ...pub, use: 'enc' }, ES], 'its kty': [{ ...pub, kty: 'RSA' }, ES],
    'not extractable': [{ ...pub, ext: false }, ES], 'no y': [{ ...pub, y: undefined }, ES], 'a short x': [{ ...pub, x: pub.x.slice(0, 20) }, ES], 'swapped': [{ ...pub, x: pub.y, y: pub.x }, ES],
    'padded': [{ ...pub, x: pub.x + '=' }, ES], 'the other base64': [{ ...pub, x: '+' + pub.x.slice(1) }, ES], 'a number': [{ ...pub, x: 5 }, ES], 'empty': [{}, ES],
    'RSA: its alg': [{ kty: 'RSA', n: r.n, e: r.e, alg: 'RS384' }, RS], 'RSA: garbage': [{ kty: 'RSA', n: '!!', e: r.e }, RS], 'RSA: tiny': [{ kty: 'RSA', n: 'Aw', e: r.e }, RS],
    'RSA: e is 0': [{ kty: 'RSA', n: r.n, e: 'AA' }, RS], 'RSA: e is 1': [{ kty: 'RSA', n: r.n, e: 'AQ' }, RS], 'RSA: e is long': [{ kty: 'RSA', n: r.n, e: r.n }, RS], 'RSA: no e': [{ kty: 'RSA', n: r.n }, RS],
    'RSA: 100 KB': [{ kty: 'RSA', n: 'q'.repeat(136000), e: r.e }, RS], 'RSA: empty': [{ kty: 'RSA', n: '', e: '' }, RS],
  };
  for (const [name, [key, algorithm]] of Object.entries(wrong)) is(name, await jwk(key, algorithm, ['verify']), 'DataError');
  const unfit = {
    'd is 0': [{ ...e, d: 'A'.repeat(43) }, ES], 'd of another key': [{ ...e, d: 'A'.repeat(42) + 'E' }, ES], 'd is too large': [{ ...e, d: '_'.repeat(42) + '8' }, ES],
    'RSA: no q': [{ ...r, q: undefined }, RS], 'RSA: d alone': [{ kty: 'RSA', n: r.n, e: r.e, d: r.d }, RS], 'RSA: another d': [{ ...r, d: r.n }, RS], 'RSA: p and q swapped': [{ ...r, p: r.q, q: r.p }, RS],
    'RSA: another qi': [{ ...r, qi: r.dp }, RS], 'RSA: p is 1': [{ ...r, p: 'AQ', q: r.n }, RS], 'RSA: p is 0': [{ ...r, p: 'AA' }, RS], 'RSA: dp is 0': [{ ...r, dp: 'AA' }, RS],
  };
  for (const [name, [key, algorithm]] of Object.entries(unfit)) is(name, await jwk(key, algorithm, ['sign']), 'DataError');
  is('three primes', await jwk({ ...r, oth: [{ r: 'AQ', d: 'AQ', t: 'AQ' }] }, RS, ['sign']), 'NotSupportedError');
  is('bytes', await jwk(data, ES, ['verify']), 'TypeError');
  is('null', await jwk(null, ES, ['verify']), 'TypeError');
  const getter = Object.defineProperty({ ...pub }, 'x', { get() { throw new RangeError('mine'); } });
  is('its own error', await jwk(getter, ES, ['verify']), 'RangeError');

  const bytes = (format, value, algorithm, usages) => failure(s.importKey(format, value, algorithm, true, usages));
  const spki = new Uint8Array(await s.exportKey('spki', es.publicKey));
  const point = new Uint8Array(await s.exportKey('raw', es.publicKey));
  is('spki as pkcs8', await bytes('pkcs8', spki, ES, ['sign']), 'DataError');
  is('EC as RSA', await bytes('spki', spki, RS, ['verify']), 'DataError');
  is('another curve', await bytes('spki', spki, { name: 'ECDSA', namedCurve: 'P-521' }, ['verify']), 'DataError');
  is('with a byte behind', await bytes('spki', new Uint8Array([...spki, 0]), ES, ['verify']), 'DataError');
  is('100 KB of zeros', await bytes('spki', new Uint8Array(100000), ES, ['verify']), 'DataError');
  is('100 KB of ones', await bytes('pkcs8', new Uint8Array(100000).fill(0x30), RS, ['sign']), 'DataError');
  is('compressed', await bytes('raw', new Uint8Array([2 + (point[64] & 1), ...point.slice(1, 33)]), ES, ['verify']), 'nothing');
  is('hybrid', await bytes('raw', new Uint8Array([6 + (point[64] & 1), ...point.slice(1)]), ES, ['verify']), 'DataError');
  is('at infinity', await bytes('raw', new Uint8Array([0]), ES, ['verify']), 'DataError');
  is('no bytes', await bytes('raw', new Uint8Array(0), ES, ['verify']), 'DataError');
  is('off the curve', await bytes('raw', point.map((b, i) => (i === 64 ? b ^ 1 : b)), ES, ['verify']), 'DataError');
  is('RSA has no raw keys', await bytes('raw', point, RS, ['verify']), 'NotSupportedError');
  is('AES has no spki', await bytes('spki', point, 'AES-CBC', ['encrypt']), 'NotSupportedError');
  is('unknown format', await bytes('pem', point, ES, ['verify']), 'TypeError');
  is('an object', await bytes('spki', {}, ES, ['verify']), 'TypeError');
  await damaged(es, rs);
}

// Every prefix, and every byte changed: a key that works or a DataError, nothing else.
async function damaged(es, rs) {
  const seen = {};
  const take = async (format, value, algorithm, usage) => {
    const name = await failure(s.importKey(format, value, algorithm, false, [usage]).then((key) => (usage === 'sign' ? s.sign(algorithm, key, data) : s.verify(algorithm, key, data, data))));
    seen[name] = (seen[name] ?? 0) + 1;
  };
  for (const [pair, algorithm] of [[es, ES], [rs, RS]]) {
    for (const [format, key, usage] of [['spki', pair.publicKey, 'verify'], ['pkcs8', pair.privateKey, 'sign']]) {
      const whole = new Uint8Array(await s.exportKey(format, key));
      for (let i = 0; i < whole.length; i += algorithm === RS ? 5 : 1) {
        await take(format, whole.subarray(0, i), algorithm, usage);
        await take(format, whole.map((b, j) => (i === j ? b ^ 0x81 : b)), algorithm, usage);
      }
    }
  }
  const odd = Object.keys(seen).filter((name) => !['DataError', 'false', 'nothing', 'OperationError'].includes(name));
  ok(`damaged keys: ${JSON.stringify(seen)}`, odd.length === 0 && seen.DataError > 500);
}

async function wrapping() {
  const rs = await s.generateKey(RS, true, ['sign', 'verify']);
  const gcm = await s.generateKey({ name: 'AES-GCM', length: 128 }, true, ['wrapKey', 'unwrapKey', 'encrypt']);
  const A = { name: 'AES-GCM', iv: new Uint8Array(12) };
  for (const format of ['jwk', 'pkcs8']) {
    const wrapped = await s.wrapKey(format, rs.privateKey, gcm, A);
    const key = await s.unwrapKey(format, wrapped, gcm, A, RS, true, ['sign']);
    is(`wrapped as ${format}`, await s.exportKey('jwk', key), await s.exportKey('jwk', rs.privateKey));
  }
  const oaep = await s.generateKey(rsa('RSA-OAEP', 'SHA-1'), false, ['wrapKey', 'unwrapKey']);
  const secret = await s.generateKey({ name: 'AES-CBC', length: 256 }, true, ['encrypt']);
  const wrapped = await s.wrapKey('raw', secret, oaep.publicKey, 'RSA-OAEP');
  const back = await s.unwrapKey('raw', wrapped, oaep.privateKey, 'RSA-OAEP', 'AES-CBC', true, ['encrypt']);
  is('by RSA-OAEP', new Uint8Array(await s.exportKey('raw', back)).join(), new Uint8Array(await s.exportKey('raw', secret)).join());
  const hidden = await s.generateKey({ name: 'AES-CBC', length: 256 }, false, ['encrypt']);
  is('not extractable', await failure(s.wrapKey('raw', hidden, gcm, A)), 'InvalidAccessError');
  is('a key that may not wrap', await failure(s.wrapKey('raw', secret, secret, { name: 'AES-CBC', iv: new Uint8Array(16) })), 'InvalidAccessError');
  is('an algorithm that can not', await failure(s.wrapKey('raw', secret, gcm, 'PBKDF2')), 'NotSupportedError');
  is('damaged', await failure(s.unwrapKey('raw', new Uint8Array(40), gcm, A, 'AES-CBC', true, ['encrypt'])), 'OperationError');
  is('no JSON', await failure(s.unwrapKey('jwk', await s.encrypt(A, gcm, data), gcm, A, RS, true, ['sign'])), 'DataError');
}

// While a key is derived or made, this VU's timers go on: nothing of it runs on the worker's thread.
async function pending() {
  let ticks = 0;
  const timer = setInterval(() => { ticks++; }, 1);
  const key = await s.importKey('raw', data, 'PBKDF2', false, ['deriveBits']);
  const slow = s.deriveBits({ name: 'PBKDF2', hash: 'SHA-256', salt: data, iterations: 1000000 }, key, 256);
  const more = [s.generateKey({ ...RS, modulusLength: 2048 }, false, ['sign']), s.digest('SHA-256', new Uint8Array(1 << 20))];
  await slow;
  ok(`timers ran ${ticks} times`, ticks >= 3);
  is('others in turn', (await Promise.all(more)).length, 2);
  clearInterval(timer);
  is('too many iterations', await failure(s.deriveBits({ name: 'PBKDF2', hash: 'SHA-256', salt: data, iterations: 4e9 }, key, 256)), 'OperationError');
}

export const options = once;
export default async function () {
  await generating();
  await signing();
  await encrypting();
  await agreeing();
  await exporting();
  await importing();
  await wrapping();
  await pending();
}
