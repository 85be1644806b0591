// crypto.subtle (W3C Web Cryptography API) over the natives of crypto/subtle.c.
// Each algorithm is a table of what it can do: those of one secret are here, those of key pairs in webcrypto_pairs.js.
// Natives that compute give a value or, when it takes long, a promise; null means that it failed.
(function (native) {
  'use strict';
  const HASHES = { 'SHA-1': { block: 64, size: 20 }, 'SHA-256': { block: 64, size: 32 }, 'SHA-384': { block: 128, size: 48 }, 'SHA-512': { block: 128, size: 64 } };
  const MODES = ['AES-CBC', 'AES-CTR', 'AES-GCM', 'AES-KW']; // enum crypto_mode
  const PAIRS = ['RSASSA-PKCS1-v1_5', 'RSA-PSS', 'RSA-OAEP', 'ECDSA', 'ECDH'];
  const USAGES = ['encrypt', 'decrypt', 'sign', 'verify', 'deriveKey', 'deriveBits', 'wrapKey', 'unwrapKey'];
  const FORMATS = ['raw', 'pkcs8', 'spki', 'jwk'];
  const CODES = { SyntaxError: 12, InvalidAccessError: 15, NotSupportedError: 9 }; // of DOMException

  const named = (name, message) => Object.defineProperties(new Error(message), { name: { value: name, writable: true, configurable: true }, code: { value: CODES[name] ?? 0 } });
  const isBytes = (data) => data instanceof ArrayBuffer || ArrayBuffer.isView(data);
  const view = (data) => (data instanceof ArrayBuffer ? new Uint8Array(data) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  const bytesOf = (data, what) => { if (!isBytes(data)) throw new TypeError(`${what} must be an ArrayBuffer, TypedArray or DataView`); return data; };
  const done = (result, what, why = 'failed') => { if (result === null) throw named('OperationError', `${what} ${why}`); return result; };
  const randomBytes = (count, what) => new Uint8Array(done(native.random(count), what, `gives at most 65536 random bytes, not ${count}`));

  // --- algorithms -----------------------------------------------------------------------------

  const withName = (given, name) => Object.create(given, { name: { value: name } });
  const algorithmOf = (algorithm, what) => {
    const given = typeof algorithm === 'string' ? { name: algorithm } : algorithm;
    if (!given || typeof given.name !== 'string') throw new TypeError(`${what}: the algorithm needs a name`);
    const wanted = given.name.toUpperCase();
    const name = [...Object.keys(HASHES), ...Object.keys(SECRETS), ...PAIRS].find((n) => n.toUpperCase() === wanted);
    if (!name) throw named('NotSupportedError', `${what}: unknown algorithm '${given.name}'`);
    return withName(given, name);
  };
  const hashOf = (algorithm, what) => {
    const name = typeof algorithm.hash === 'string' ? algorithm.hash : algorithm.hash?.name;
    if (name === undefined) throw new TypeError(`${what}: ${algorithm.name} needs a hash`);
    const hash = Object.keys(HASHES).find((h) => h === String(name).toUpperCase());
    if (!hash) throw named('NotSupportedError', `${what}: unknown hash '${name}'`);
    return hash;
  };
  let pairs;
  const operationsOf = (name) => {
    if (!PAIRS.includes(name)) return SECRETS[name] ?? {};
    pairs ??= native.pairs({ native, named, done, bytesOf, hashOf, usagesOf, newKey, materialOf, checkJwk, isKey: (key) => key instanceof CryptoKey, HASHES });
    return pairs[name];
  };
  // The algorithm with what it can do for `operation`; `can` completes "X can't ...".
  const find = (algorithm, operation, what, can) => {
    const a = algorithmOf(algorithm, what);
    const fn = operationsOf(a.name)[operation];
    if (!fn) throw named('NotSupportedError', `${what}: ${a.name} can't ${can}`);
    return [a, fn];
  };

  // --- keys -----------------------------------------------------------------------------------

  const material = new WeakMap(); // a secret's bytes, or the handle of a pair
  const materialOf = (key) => material.get(key);
  const token = {};
  class CryptoKey {
    constructor(given, held, type, algorithm, extractable, usages) {
      if (given !== token) throw new TypeError('a CryptoKey is made by crypto.subtle only');
      material.set(this, held);
      this.type = type;
      this.algorithm = Object.freeze(algorithm);
      this.extractable = !!extractable;
      this.usages = Object.freeze(usages);
      Object.freeze(this);
    }
    get [Symbol.toStringTag]() { return 'CryptoKey'; }
  }
  const listOf = (usages, what) => {
    if (typeof usages?.[Symbol.iterator] !== 'function' || typeof usages === 'string') throw new TypeError(`${what}: the usages must be a list`);
    const list = [...new Set(usages)];
    const unknown = list.findIndex((u) => !USAGES.includes(u));
    if (unknown >= 0) throw new TypeError(`${what}: unknown usage '${list[unknown]}'`);
    return list;
  };
  const usagesOf = (usages, allowed, name, what) => {
    const list = listOf(usages, what);
    const bad = list.findIndex((u) => !allowed.includes(u));
    if (bad >= 0) throw named('SyntaxError', `${what}: usage '${list[bad]}' does not fit ${name}`);
    return list;
  };
  // Secret and private keys need a usage (W3C, generateKey and importKey).
  const newKey = (held, type, algorithm, extractable, usages, what) => {
    if (type !== 'public' && usages.length === 0) throw named('SyntaxError', `${what}: a ${type} key needs a usage`);
    if (algorithm.hash) algorithm.hash = Object.freeze({ name: algorithm.hash });
    return new CryptoKey(token, held, type, algorithm, extractable, usages);
  };
  const needKey = (key, what) => { if (!(key instanceof CryptoKey)) throw new TypeError(`${what}: the key must be a CryptoKey`); };
  const use = (key, name, usage, what) => {
    needKey(key, what);
    if (key.algorithm.name !== name) throw named('InvalidAccessError', `${what}: the key is for ${key.algorithm.name}, not ${name}`);
    if (!key.usages.includes(usage)) throw named('InvalidAccessError', `${what}: the ${key.type} key may not be used to ${usage}`);
  };

  // A JWK's own limits hold whoever imports it (W3C, "Import Key" of each algorithm; RFC 7517 4.2, 4.3).
  const checkJwk = (jwk, kty, alg, use, extractable, usages, what) => {
    if (jwk.kty !== kty) throw named('DataError', `${what}: the JWK must have kty '${kty}'`);
    if (alg !== undefined && jwk.alg !== undefined && jwk.alg !== alg) throw named('DataError', `${what}: the JWK is for ${jwk.alg}, not ${alg}`);
    if (usages.length > 0 && jwk.use !== undefined && jwk.use !== use) throw named('DataError', `${what}: the JWK's use is '${jwk.use}', '${use}' is needed`);
    if (jwk.ext === false && extractable) throw named('DataError', `${what}: the JWK is not extractable`);
    if (jwk.key_ops === undefined) return;
    if (!Array.isArray(jwk.key_ops) || new Set(jwk.key_ops).size !== jwk.key_ops.length) throw named('DataError', `${what}: the JWK's key_ops must be a list without repetition`);
    const missing = usages.find((u) => !jwk.key_ops.includes(u));
    if (missing) throw named('DataError', `${what}: the JWK's key_ops do not allow to ${missing}`);
  };

  // --- algorithms with one secret -------------------------------------------------------------

  // The bytes of a secret that is imported; `alg(length)` is the JWK's name for it.
  const secretOf = (format, data, alg, use, extractable, usages, name, what) => {
    if (format === 'raw') return view(data).slice();
    if (format !== 'jwk') throw named('NotSupportedError', `${what}: a key of ${name} can't be imported as '${format}'`);
    const secret = typeof data.k === 'string' ? native.fromBase64url(data.k) : null;
    checkJwk(data, 'oct', secret ? alg(secret.byteLength) : undefined, use, extractable, usages, what);
    if (secret === null) throw named('DataError', `${what}: the JWK needs k, in base64url`);
    return new Uint8Array(secret);
  };
  const exportSecret = (format, key, alg, what) => {
    const secret = materialOf(key);
    if (format === 'raw') return secret.slice().buffer;
    if (format === 'jwk') return { kty: 'oct', k: native.toBase64url(secret), alg: alg(secret.length), key_ops: [...key.usages], ext: key.extractable };
    throw named('NotSupportedError', `${what}: a key of ${key.algorithm.name} can't be exported as '${format}'`);
  };

  const aesLength = (a, what) => { if (![128, 192, 256].includes(a.length)) throw named('OperationError', `${what}: an AES key has 128, 192 or 256 bits, not ${a.length}`); return a.length; };
  const block = (data, name, what) => { if (bytesOf(data, name).byteLength !== 16) throw named('OperationError', `${what}: the ${name} must have 16 bytes`); return data; };
  // What native.cipher takes beside key and data: iv, additional data, bits of the counter or tag.
  const PARAMETERS = {
    'AES-CBC': (a, size, what) => [block(a.iv, 'iv', what), undefined, 0],
    'AES-CTR': (a, size, what) => {
      if (!Number.isInteger(a.length) || a.length < 1 || a.length > 128) throw named('OperationError', `${what}: the counter's length must be 1 to 128 bits`);
      if (Math.ceil(size / 16) > 2 ** a.length) throw named('OperationError', `${what}: ${size} bytes are more than a counter of ${a.length} bits can count`);
      return [block(a.counter, 'counter', what), undefined, a.length];
    },
    'AES-GCM': (a, size, what) => {
      const bits = a.tagLength ?? 128;
      if (bytesOf(a.iv, 'iv').byteLength === 0) throw named('OperationError', `${what}: the iv is empty`);
      if (![32, 64, 96, 104, 112, 120, 128].includes(bits)) throw named('OperationError', `${what}: a tag can't have ${bits} bits`);
      return [a.iv, a.additionalData === undefined ? undefined : bytesOf(a.additionalData, 'additionalData'), bits];
    },
    'AES-KW': () => [undefined, undefined, 0],
  };
  const cipher = (encrypt) => async (a, key, data, what) => {
    const [iv, aad, bits] = PARAMETERS[a.name](a, data.byteLength, what);
    return done(await native.cipher(MODES.indexOf(a.name), encrypt, materialOf(key), iv, data, aad, bits), what);
  };
  const CRYPT = ['encrypt', 'decrypt', 'wrapKey', 'unwrapKey'];
  const aes = (name, usages, operations) => {
    const alg = (length) => `A${length * 8}${name.slice(4)}`;
    return {
      ...operations,
      length: aesLength,
      generate: (a, extractable, given, what) => {
        const list = usagesOf(given, usages, name, what);
        const length = aesLength(a, what);
        return newKey(randomBytes(length / 8, what), 'secret', { name, length }, extractable, list, what);
      },
      import: (format, data, a, extractable, given, what) => {
        const list = usagesOf(given, usages, name, what);
        const secret = secretOf(format, data, alg, 'enc', extractable, list, name, what);
        if (![16, 24, 32].includes(secret.length)) throw named('DataError', `${what}: an AES key has 16, 24 or 32 bytes, not ${secret.length}`);
        return newKey(secret, 'secret', { name, length: secret.length * 8 }, extractable, list, what);
      },
      export: (format, key, what) => exportSecret(format, key, alg, what),
    };
  };

  const hmacAlg = (hash) => 'HS' + hash.slice(4);
  const hmacKey = (secret, hash, length, extractable, usages, what) => {
    if (length % 8) secret[secret.length - 1] &= 0xff << (8 - length % 8);
    return newKey(secret, 'secret', { name: 'HMAC', hash, length }, extractable, usages, what);
  };
  const hmacLength = (a, what) => {
    const length = a.length ?? HASHES[hashOf(a, what)].block * 8;
    if (!Number.isInteger(length) || length < 1) throw named('OperationError', `${what}: the key's length must be more than 0`);
    return length;
  };
  const hmac = (key, data) => native.hmac(key.algorithm.hash.name, materialOf(key), data);
  const equal = (a, b) => { let different = a.length ^ b.length; for (let i = 0; i < a.length; i++) different |= a[i] ^ (b[i] ?? 0); return different === 0; };
  const HMAC = {
    length: hmacLength,
    generate: (a, extractable, usages, what) => {
      const list = usagesOf(usages, ['sign', 'verify'], 'HMAC', what);
      const hash = hashOf(a, what);
      const length = hmacLength(a, what);
      return hmacKey(randomBytes(Math.ceil(length / 8), what), hash, length, extractable, list, what);
    },
    import: (format, data, a, extractable, usages, what) => {
      const list = usagesOf(usages, ['sign', 'verify'], 'HMAC', what);
      const hash = hashOf(a, what);
      const secret = secretOf(format, data, () => hmacAlg(hash), 'sig', extractable, list, 'HMAC', what);
      const bits = secret.length * 8;
      const length = a.length ?? bits;
      if (bits === 0) throw named('DataError', `${what}: the key is empty`);
      if (length > bits || length <= bits - 8) throw named('DataError', `${what}: a key of ${bits} bits can't be one of ${length}`);
      return hmacKey(secret, hash, length, extractable, list, what);
    },
    export: (format, key, what) => exportSecret(format, key, () => hmacAlg(key.algorithm.hash.name), what),
    sign: async (a, key, data, what) => done(await hmac(key, data), what),
    verify: async (a, key, signature, data, what) => {
      const given = view(signature).slice();
      return equal(new Uint8Array(done(await hmac(key, data), what)), given);
    },
  };

  // deriveBits of PBKDF2 and HKDF; the native refuses what would take minutes.
  const derivation = (name) => ({
    length: () => null,
    import: (format, data, a, extractable, usages, what) => {
      const list = usagesOf(usages, ['deriveKey', 'deriveBits'], name, what);
      if (extractable) throw named('SyntaxError', `${what}: a ${name} key can't be extractable`);
      if (format !== 'raw') throw named('NotSupportedError', `${what}: a key of ${name} can't be imported as '${format}'`);
      return newKey(secretOf('raw', data), 'secret', { name }, false, list, what);
    },
    derive: async (a, key, bits, what) => {
      if (!Number.isInteger(bits) || bits < 0 || bits % 8 !== 0) throw named('OperationError', `${what}: the length must be a multiple of 8 bits`);
      const hash = hashOf(a, what);
      const salt = bytesOf(a.salt, 'salt');
      const info = name === 'HKDF' ? bytesOf(a.info, 'info') : undefined;
      if (name === 'PBKDF2' && !(a.iterations >= 1)) throw named('OperationError', `${what}: iterations must be more than 0`);
      const out = await native.derive(hash, materialOf(key), salt, info, name === 'HKDF' ? 0 : a.iterations, bits / 8);
      return done(out, what, name === 'HKDF' ? `failed: HKDF with ${hash} gives at most ${HASHES[hash].size * 255} bytes` : 'failed: so many iterations for that length are not supported');
    },
  });

  const SECRETS = {
    'AES-CBC': aes('AES-CBC', CRYPT, { encrypt: cipher(true), decrypt: cipher(false) }),
    'AES-CTR': aes('AES-CTR', CRYPT, { encrypt: cipher(true), decrypt: cipher(false) }),
    'AES-GCM': aes('AES-GCM', CRYPT, { encrypt: cipher(true), decrypt: cipher(false) }),
    'AES-KW': aes('AES-KW', ['wrapKey', 'unwrapKey'], { wrap: cipher(true), unwrap: cipher(false) }),
    HMAC, PBKDF2: derivation('PBKDF2'), HKDF: derivation('HKDF'),
  };

  // --- the interface --------------------------------------------------------------------------

  const importKey = (format, data, algorithm, extractable, usages, what) => {
    if (!FORMATS.includes(format)) throw new TypeError(`${what}: unknown format '${format}'`);
    const [a, fn] = find(algorithm, 'import', what, 'import keys');
    if (format !== 'jwk') bytesOf(data, 'keyData');
    else if (typeof data !== 'object' || data === null || isBytes(data)) throw new TypeError(`${what}: a JWK is an object`);
    return fn(format, data, a, !!extractable, usages, what);
  };
  const exportKey = (format, key, what) => {
    if (!FORMATS.includes(format)) throw new TypeError(`${what}: unknown format '${format}'`);
    needKey(key, what);
    const fn = operationsOf(key.algorithm.name).export;
    if (!fn) throw named('NotSupportedError', `${what}: ${key.algorithm.name} can't export keys`);
    if (!key.extractable) throw named('InvalidAccessError', `${what}: the key is not extractable`);
    return fn(format, key, what);
  };
  // Wrapping is encryption by another name, unless the algorithm does that alone.
  const findWrap = (algorithm, wrap, what) => {
    const a = algorithmOf(algorithm, what);
    const operations = operationsOf(a.name);
    const fn = wrap ? operations.wrap ?? operations.encrypt : operations.unwrap ?? operations.decrypt;
    if (!fn) throw named('NotSupportedError', `${what}: ${a.name} can't wrap keys`);
    return [a, fn];
  };
  const jwkOf = (bytes, what) => {
    let jwk;
    try { jwk = JSON.parse(native.text(bytes)); } catch { /* below */ }
    if (typeof jwk !== 'object' || jwk === null) throw named('DataError', `${what}: what was wrapped is no JWK`);
    return jwk;
  };

  class SubtleCrypto {
    constructor(given) { if (given !== token) throw new TypeError('use crypto.subtle'); }
    async digest(algorithm, data) {
      const what = 'digest()';
      const a = algorithmOf(algorithm, what);
      if (!HASHES[a.name]) throw named('NotSupportedError', `${what}: ${a.name} is no hash`);
      return done(await native.digest(a.name, bytesOf(data, 'data')), what);
    }
    async encrypt(algorithm, key, data) {
      const what = 'encrypt()';
      const [a, fn] = find(algorithm, 'encrypt', what, 'encrypt');
      use(key, a.name, 'encrypt', what);
      return fn(a, key, bytesOf(data, 'data'), what);
    }
    async decrypt(algorithm, key, data) {
      const what = 'decrypt()';
      const [a, fn] = find(algorithm, 'decrypt', what, 'decrypt');
      use(key, a.name, 'decrypt', what);
      return fn(a, key, bytesOf(data, 'data'), what);
    }
    async sign(algorithm, key, data) {
      const what = 'sign()';
      const [a, fn] = find(algorithm, 'sign', what, 'sign');
      use(key, a.name, 'sign', what);
      return fn(a, key, bytesOf(data, 'data'), what);
    }
    async verify(algorithm, key, signature, data) {
      const what = 'verify()';
      const [a, fn] = find(algorithm, 'verify', what, 'verify');
      use(key, a.name, 'verify', what);
      return fn(a, key, bytesOf(signature, 'signature'), bytesOf(data, 'data'), what);
    }
    async generateKey(algorithm, extractable, usages) {
      const what = 'generateKey()';
      const [a, fn] = find(algorithm, 'generate', what, 'generate keys');
      return fn(a, !!extractable, usages, what);
    }
    async importKey(format, data, algorithm, extractable, usages) { return importKey(format, data, algorithm, extractable, usages, 'importKey()'); }
    async exportKey(format, key) { return exportKey(format, key, 'exportKey()'); }
    async deriveBits(algorithm, key, length = null) {
      const what = 'deriveBits()';
      const [a, fn] = find(algorithm, 'derive', what, 'derive bits');
      use(key, a.name, 'deriveBits', what);
      return fn(a, key, length, what);
    }
    async deriveKey(algorithm, key, derived, extractable, usages) {
      const what = 'deriveKey()';
      const [a, fn] = find(algorithm, 'derive', what, 'derive keys');
      const [d, lengthOf] = find(derived, 'length', what, 'be derived');
      use(key, a.name, 'deriveKey', what);
      const list = listOf(usages, what);
      return importKey('raw', await fn(a, key, lengthOf(d, what), what), d, extractable, list, what);
    }
    async wrapKey(format, key, wrappingKey, algorithm) {
      const what = 'wrapKey()';
      const [a, fn] = findWrap(algorithm, true, what);
      use(wrappingKey, a.name, 'wrapKey', what);
      const exported = await exportKey(format, key, what);
      return fn(a, wrappingKey, format === 'jwk' ? Uint8Array.from(JSON.stringify(exported), (c) => c.charCodeAt(0)) : exported, what);
    }
    async unwrapKey(format, wrapped, unwrappingKey, algorithm, keyAlgorithm, extractable, usages) {
      const what = 'unwrapKey()';
      const [a, fn] = findWrap(algorithm, false, what);
      const [k] = find(keyAlgorithm, 'import', what, 'import keys');
      const list = listOf(usages, what);
      use(unwrappingKey, a.name, 'unwrapKey', what);
      const bytes = await fn(a, unwrappingKey, bytesOf(wrapped, 'wrappedKey'), what);
      return importKey(format, format === 'jwk' ? jwkOf(bytes, what) : bytes, k, extractable, list, what);
    }
    get [Symbol.toStringTag]() { return 'SubtleCrypto'; }
  }

  // Globals, and what crypto.subtle is, which is none.
  return Object.defineProperty({ CryptoKey, SubtleCrypto }, 'subtle', { value: new SubtleCrypto(token) });
})
