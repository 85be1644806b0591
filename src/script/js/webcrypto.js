// The global `crypto` (Web Cryptography API): random values, digests, HMAC, AES, PBKDF2 and HKDF.
// RSA and elliptic curves are refused by name. Natives: random, cipher, derive, hmac, sha1 ... (mod_crypto.c).
(function (native) {
  'use strict';
  const HASHES = { 'SHA-1': ['sha1', 64, 20], 'SHA-256': ['sha256', 64, 32], 'SHA-384': ['sha384', 128, 48], 'SHA-512': ['sha512', 128, 64] };
  const AES = ['AES-CBC', 'AES-CTR', 'AES-GCM', 'AES-KW'];
  const LATER = ['RSA-OAEP', 'RSA-PSS', 'RSASSA-PKCS1-V1_5', 'ECDSA', 'ECDH'];
  const USAGES = {
    HMAC: ['sign', 'verify'], 'AES-CBC': ['encrypt', 'decrypt', 'wrapKey', 'unwrapKey'], 'AES-CTR': ['encrypt', 'decrypt', 'wrapKey', 'unwrapKey'],
    'AES-GCM': ['encrypt', 'decrypt', 'wrapKey', 'unwrapKey'], 'AES-KW': ['wrapKey', 'unwrapKey'], PBKDF2: ['deriveKey', 'deriveBits'], HKDF: ['deriveKey', 'deriveBits'],
  };

  const named = (name, message) => { const e = new Error(message); e.name = name; return e; };
  const bytesOf = (data, what) => {
    if (data instanceof ArrayBuffer) return new Uint8Array(data.slice(0));
    if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength));
    throw new TypeError(`${what} must be an ArrayBuffer, TypedArray or DataView`);
  };
  const algorithmOf = (algorithm, what) => {
    const given = typeof algorithm === 'string' ? { name: algorithm } : algorithm;
    if (!given || typeof given.name !== 'string') throw new TypeError(`${what}: the algorithm needs a name`);
    const name = [...Object.keys(HASHES), ...AES, ...LATER, 'HMAC', 'PBKDF2', 'HKDF'].find((n) => n === given.name.toUpperCase());
    if (!name) throw named('NotSupportedError', `${what}: unknown algorithm '${given.name}'`);
    if (LATER.includes(name)) throw named('NotSupportedError', `${what}: ${given.name} is not supported yet`);
    return { ...given, name };
  };
  const hashOf = (algorithm, what) => {
    const name = typeof algorithm.hash === 'string' ? algorithm.hash : algorithm.hash?.name;
    const hash = Object.keys(HASHES).find((h) => h === String(name).toUpperCase());
    if (!hash) throw named('NotSupportedError', `${what}: unknown hash '${name}'`);
    return hash;
  };

  const secrets = new WeakMap();
  class CryptoKey {
    constructor(secret, algorithm, extractable, usages) {
      secrets.set(this, secret);
      this.type = 'secret';
      this.algorithm = algorithm;
      this.extractable = extractable;
      this.usages = Object.freeze(usages);
      Object.freeze(this);
    }
  }
  const make = (secret, algorithm, extractable, usages, what) => {
    const list = [...new Set(usages)];
    const bad = list.find((u) => !USAGES[algorithm.name].includes(u));
    if (bad) throw named('SyntaxError', `${what}: usage '${bad}' does not fit ${algorithm.name}`);
    if (list.length === 0) throw named('SyntaxError', `${what}: a secret key needs a usage`);
    return new CryptoKey(secret, Object.freeze(algorithm), !!extractable, list);
  };
  const use = (key, name, usage, what) => {
    if (!(key instanceof CryptoKey)) throw new TypeError(`${what}: the key must be a CryptoKey`);
    if (name && key.algorithm.name !== name) throw named('InvalidAccessError', `${what}: the key is for ${key.algorithm.name}, not ${name}`);
    if (!key.usages.includes(usage)) throw named('InvalidAccessError', `${what}: the key may not be used to ${usage}`);
    return secrets.get(key);
  };

  const aesLength = (bits, what) => { if (![128, 192, 256].includes(bits)) throw named('OperationError', `${what}: an AES key has 128, 192 or 256 bits, not ${bits}`); return bits; };
  // The counter is the low `length` bits and wraps there; the bits above stay (NIST SP 800-38A, appendix B.1). Where it
  // wraps, the rest is a second run from 0.
  const ctr = (secret, counter, length, input, what) => {
    const all = 1n << BigInt(length);
    const blocks = BigInt(Math.ceil(input.length / 16));
    if (blocks > all) throw named('OperationError', `${what}: ${input.length} bytes are more than a counter of ${length} bits can count`);
    const value = counter.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    const first = all - (value & (all - 1n));
    if (blocks <= first) return native.cipher('AES-CTR', true, secret, counter, input, undefined, 0);
    const cut = Number(first) * 16;
    let rest = value - (value & (all - 1n));
    const zeroed = counter.map(() => 0);
    for (let i = 15; i >= 0; i--, rest >>= 8n) zeroed[i] = Number(rest & 255n);
    const out = new Uint8Array(input.length);
    out.set(new Uint8Array(native.cipher('AES-CTR', true, secret, counter, input.subarray(0, cut), undefined, 0)));
    out.set(new Uint8Array(native.cipher('AES-CTR', true, secret, zeroed, input.subarray(cut), undefined, 0)), cut);
    return out.buffer;
  };
  const crypt = (algorithm, key, data, encrypt) => {
    const what = encrypt ? 'encrypt()' : 'decrypt()';
    const a = algorithmOf(algorithm, what);
    const secret = use(key, a.name, encrypt ? 'encrypt' : 'decrypt', what);
    const input = bytesOf(data, 'data');
    let iv, aad, tag = 0;
    if (a.name === 'AES-CBC' || a.name === 'AES-CTR') {
      iv = bytesOf(a.name === 'AES-CTR' ? a.counter : a.iv, a.name === 'AES-CTR' ? 'counter' : 'iv');
      if (iv.length !== 16) throw named('OperationError', `${what}: the ${a.name === 'AES-CTR' ? 'counter' : 'iv'} must have 16 bytes`);
      if (a.name === 'AES-CTR' && !(a.length >= 1 && a.length <= 128)) throw named('OperationError', `${what}: the counter's length must be 1 to 128 bits`);
      if (a.name === 'AES-CTR') return ctr(secret, iv, Math.floor(a.length), input, what);
    } else if (a.name === 'AES-GCM') {
      iv = bytesOf(a.iv, 'iv');
      if (iv.length === 0) throw named('OperationError', `${what}: the iv is empty`);
      aad = a.additionalData === undefined ? undefined : bytesOf(a.additionalData, 'additionalData');
      const bits = a.tagLength ?? 128;
      if (![32, 64, 96, 104, 112, 120, 128].includes(bits)) throw named('OperationError', `${what}: a tag can't have ${bits} bits`);
      tag = bits / 8;
    } else throw named('NotSupportedError', `${what}: ${a.name} does not encrypt`);
    const out = native.cipher(a.name, encrypt, secret, iv, input, aad, tag);
    if (out === null) throw named('OperationError', `${what} failed`);
    return out;
  };

  const generate = (algorithm, extractable, usages) => {
    const what = 'generateKey()';
    const a = algorithmOf(algorithm, what);
    if (a.name === 'HMAC') {
      const hash = hashOf(a, what);
      const bits = a.length ?? HASHES[hash][1] * 8;
      if (!(bits > 0)) throw named('OperationError', `${what}: the key's length must be more than 0`);
      return make(new Uint8Array(native.random(Math.ceil(bits / 8))), { name: 'HMAC', hash: { name: hash }, length: bits }, extractable, usages, what);
    }
    if (!AES.includes(a.name)) throw named('NotSupportedError', `${what}: ${a.name} has no keys to generate`);
    return make(new Uint8Array(native.random(aesLength(a.length, what) / 8)), { name: a.name, length: a.length }, extractable, usages, what);
  };

  const base64url = (bytes) => {
    const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    let out = '';
    for (let i = 0; i < bytes.length; i += 3) {
      const bits = (bytes[i] << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
      out += letters[bits >> 18] + letters[(bits >> 12) & 63] + (i + 1 < bytes.length ? letters[(bits >> 6) & 63] : '') + (i + 2 < bytes.length ? letters[bits & 63] : '');
    }
    return out;
  };
  const fromBase64url = (text) => {
    const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const out = [];
    let bits = 0, have = 0;
    for (const c of text) {
      const value = letters.indexOf(c);
      if (value < 0) throw named('DataError', 'importKey(): the JWK is not base64url');
      bits = ((bits << 6) | value) & 0xffffff;
      have += 6;
      if (have >= 8) { have -= 8; out.push((bits >> have) & 255); }
    }
    return new Uint8Array(out);
  };
  const jwkName = (a, length) => (a.name === 'HMAC' ? 'HS' + hashOf(a, 'importKey()').slice(4) : `A${length * 8}${a.name.slice(4)}`);

  // A JWK's own limits hold whoever imports it (W3C Web Cryptography API, "Import Key" of each algorithm; RFC 7517 4.2, 4.3).
  const checkJwk = (jwk, name, extractable, usages, what) => {
    const wanted = name === 'HMAC' ? 'sig' : 'enc';
    if (usages.length > 0 && jwk.use !== undefined && jwk.use !== wanted) throw named('DataError', `${what}: the JWK's use is '${jwk.use}', ${name} needs '${wanted}'`);
    if (jwk.ext === false && extractable) throw named('DataError', `${what}: the JWK is not extractable`);
    if (jwk.key_ops === undefined) return;
    if (!Array.isArray(jwk.key_ops) || new Set(jwk.key_ops).size !== jwk.key_ops.length) throw named('DataError', `${what}: the JWK's key_ops must be a list without repetition`);
    const missing = usages.find((u) => !jwk.key_ops.includes(u));
    if (missing) throw named('DataError', `${what}: the JWK's key_ops do not allow to ${missing}`);
  };

  const importKey = (format, data, algorithm, extractable, usages) => {
    const what = 'importKey()';
    const a = algorithmOf(algorithm, what);
    let secret;
    if (format === 'raw') secret = bytesOf(data, 'keyData');
    else if (format === 'jwk') {
      if (!data || data.kty !== 'oct' || typeof data.k !== 'string') throw named('DataError', `${what}: the JWK must have kty 'oct' and k`);
      secret = fromBase64url(data.k);
      if (data.alg !== undefined && USAGES[a.name] && a.name !== 'PBKDF2' && a.name !== 'HKDF' && data.alg !== jwkName(a, secret.length)) throw named('DataError', `${what}: the JWK is for ${data.alg}`);
      checkJwk(data, a.name, extractable, usages, what);
    } else throw named('NotSupportedError', `${what}: a secret key can't be imported as '${format}'`);
    if (a.name === 'HMAC') {
      if (secret.length === 0) throw named('DataError', `${what}: the key is empty`);
      return make(secret, { name: 'HMAC', hash: { name: hashOf(a, what) }, length: a.length ?? secret.length * 8 }, extractable, usages, what);
    }
    if (a.name === 'PBKDF2' || a.name === 'HKDF') {
      if (extractable) throw named('SyntaxError', `${what}: a ${a.name} key can't be extractable`);
      return make(secret, { name: a.name }, false, usages, what);
    }
    if (!AES.includes(a.name)) throw named('NotSupportedError', `${what}: ${a.name} has no keys`);
    if (![16, 24, 32].includes(secret.length)) throw named('DataError', `${what}: an AES key has 16, 24 or 32 bytes, not ${secret.length}`);
    return make(secret, { name: a.name, length: secret.length * 8 }, extractable, usages, what);
  };

  const exportKey = (format, key) => {
    if (!(key instanceof CryptoKey)) throw new TypeError('exportKey(): the key must be a CryptoKey');
    if (!key.extractable) throw named('InvalidAccessError', 'exportKey(): the key is not extractable');
    const secret = secrets.get(key);
    if (format === 'raw') return secret.slice().buffer;
    if (format === 'jwk') return { kty: 'oct', k: base64url(secret), alg: jwkName(key.algorithm, secret.length), key_ops: [...key.usages], ext: true };
    throw named('NotSupportedError', `exportKey(): a secret key can't be exported as '${format}'`);
  };

  const derive = (algorithm, key, bits, usage) => {
    const what = `${usage}()`;
    const a = algorithmOf(algorithm, what);
    const secret = use(key, a.name, usage, what);
    if (!(bits > 0) || bits % 8 !== 0) throw named('OperationError', `${what}: the length must be a multiple of 8 bits`);
    const salt = bytesOf(a.salt, 'salt');
    const hash = hashOf(a, what);
    if (a.name === 'PBKDF2' && !(a.iterations > 0)) throw named('OperationError', `${what}: iterations must be more than 0`);
    const out = native.derive(a.name, hash, secret, salt, a.name === 'HKDF' ? bytesOf(a.info, 'info') : a.iterations, bits / 8);
    if (out === null) throw named('OperationError', `${what} failed`);
    return out;
  };

  const sign = (algorithm, key, data, usage) => {
    const a = algorithmOf(algorithm, `${usage}()`);
    if (a.name !== 'HMAC') throw named('NotSupportedError', `${usage}(): ${a.name} does not sign`);
    const secret = use(key, 'HMAC', usage, `${usage}()`);
    return native.hmac(HASHES[key.algorithm.hash.name][0], secret, bytesOf(data, 'data'), 'binary');
  };
  const equal = (a, b) => { let different = a.length ^ b.length; for (let i = 0; i < a.length; i++) different |= a[i] ^ (b[i] ?? 0); return different === 0; };

  class SubtleCrypto {
    async digest(algorithm, data) {
      const a = algorithmOf(algorithm, 'digest()');
      if (!HASHES[a.name]) throw named('NotSupportedError', `digest(): ${a.name} is no hash`);
      return native[HASHES[a.name][0]](bytesOf(data, 'data'), 'binary');
    }
    async encrypt(algorithm, key, data) { return crypt(algorithm, key, data, true); }
    async decrypt(algorithm, key, data) { return crypt(algorithm, key, data, false); }
    async generateKey(algorithm, extractable, usages) { return generate(algorithm, extractable, usages); }
    async importKey(format, data, algorithm, extractable, usages) { return importKey(format, data, algorithm, extractable, usages); }
    async exportKey(format, key) { return exportKey(format, key); }
    async sign(algorithm, key, data) { return sign(algorithm, key, data, 'sign'); }
    async verify(algorithm, key, signature, data) {
      const want = new Uint8Array(sign(algorithm, key, data, 'verify'));
      return equal(want, bytesOf(signature, 'signature'));
    }
    async deriveBits(algorithm, key, bits) { return derive(algorithm, key, bits, 'deriveBits'); }
    async deriveKey(algorithm, key, derived, extractable, usages) {
      const d = algorithmOf(derived, 'deriveKey()');
      const bits = d.name === 'HMAC' ? d.length ?? HASHES[hashOf(d, 'deriveKey()')][1] * 8 : aesLength(d.length, 'deriveKey()');
      return importKey('raw', derive(algorithm, key, bits, 'deriveKey'), derived, extractable, usages);
    }
  }

  const INTEGERS = ['Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array', 'BigInt64Array', 'BigUint64Array'];
  class Crypto {
    subtle = new SubtleCrypto();
    getRandomValues(array) {
      if (!ArrayBuffer.isView(array) || !INTEGERS.includes(array[Symbol.toStringTag])) throw named('TypeMismatchError', 'getRandomValues() takes an array of integers');
      if (array.byteLength > 65536) throw named('QuotaExceededError', 'getRandomValues() gives at most 65536 bytes');
      if (array.byteLength > 0) new Uint8Array(array.buffer, array.byteOffset, array.byteLength).set(new Uint8Array(native.random(array.byteLength)));
      return array;
    }
    randomUUID() {
      const b = new Uint8Array(native.random(16));
      b[6] = (b[6] & 15) | 64;
      b[8] = (b[8] & 63) | 128;
      const hex = [...b].map((x) => x.toString(16).padStart(2, '0')).join('');
      return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
    }
  }
  return new Crypto();
})
