// crypto.subtle's algorithms with key pairs: RSA (PKCS #1 v1.5, PSS, OAEP), ECDSA and ECDH. A table of operations by
// name, for webcrypto.js, which made `tools`; keys are handles of natives of crypto/subtle.c.
(function (tools) {
  'use strict';
  const { native, named, done, bytesOf, hashOf, usagesOf, newKey, materialOf, checkJwk, isKey, HASHES } = tools;
  const SCHEMES = ['RSASSA-PKCS1-v1_5', 'RSA-PSS', 'ECDSA']; // enum pkey_scheme_kind
  const CURVES = { 'P-256': { bits: 256, alg: 'ES256' }, 'P-384': { bits: 384, alg: 'ES384' }, 'P-521': { bits: 521, alg: 'ES512' } };
  const bitsOf = (hash) => hash.slice(4); // of 'SHA-256'

  // What the public and the private key may be used for; a JWK's `use`, and its `alg` for a hash or curve.
  const RULES = {
    'RSASSA-PKCS1-v1_5': { public: ['verify'], private: ['sign'], use: 'sig', alg: (hash) => 'RS' + bitsOf(hash) },
    'RSA-PSS': { public: ['verify'], private: ['sign'], use: 'sig', alg: (hash) => 'PS' + bitsOf(hash) },
    'RSA-OAEP': { public: ['encrypt', 'wrapKey'], private: ['decrypt', 'unwrapKey'], use: 'enc', alg: (hash) => (hash === 'SHA-1' ? 'RSA-OAEP' : 'RSA-OAEP-' + bitsOf(hash)) },
    ECDSA: { public: ['verify'], private: ['sign'], use: 'sig', alg: (curve) => CURVES[curve].alg },
    ECDH: { public: [], private: ['deriveKey', 'deriveBits'], use: 'enc', alg: () => undefined },
  };

  const curveOf = (a, what) => {
    if (a.namedCurve === undefined) throw new TypeError(`${what}: ${a.name} needs a namedCurve`);
    if (!Object.hasOwn(CURVES, a.namedCurve)) throw named('NotSupportedError', `${what}: unknown curve '${a.namedCurve}': there are P-256, P-384 and P-521`);
    return a.namedCurve;
  };
  // The algorithm that a key of RSA has: its numbers are the key's, whoever made it.
  const rsaAlgorithm = (name, handle, hash) => {
    const n = new Uint8Array(native.number(handle, 'n'));
    return { name, modulusLength: n.length * 8 - Math.clz32(n[0]) + 24, publicExponent: new Uint8Array(native.number(handle, 'e')), hash };
  };

  // --- import and export ----------------------------------------------------------------------

  // A native gives the key, or the rest of the sentence that says what is wrong with it.
  const handleOf = (got, what) => { if (typeof got === 'string') throw named('DataError', `${what}: the key ${got}`); return got; };
  const importPair = (name, kind, format, data, alg, extractable, usages, what) => {
    const rules = RULES[name];
    const type = format === 'pkcs8' || (format === 'jwk' && data.d !== undefined) ? 'private' : 'public';
    const list = usagesOf(usages, rules[type], `a ${type} key of ${name}`, what);
    if (type === 'private' && list.length === 0) throw named('SyntaxError', `${what}: a private key needs a usage`);
    if (format === 'jwk') {
      checkJwk(data, kind === 'RSA' ? 'RSA' : 'EC', alg, rules.use, extractable, list, what);
      if (data.oth !== undefined) throw named('NotSupportedError', `${what}: RSA with more than two primes is not supported`);
      if (kind !== 'RSA' && data.crv !== kind) throw named('DataError', `${what}: the JWK's curve is ${data.crv}, not ${kind}`);
      return [handleOf(native.fromJwk(kind, data), what), type, list];
    }
    if (format === 'raw' && kind === 'RSA') throw named('NotSupportedError', `${what}: a key of ${name} can't be imported as 'raw'`);
    return [handleOf(format === 'raw' ? native.fromPoint(kind, data) : native.fromDer(kind, type === 'private', data), what), type, list];
  };

  const NUMBERS = { RSA: [['n', 'e'], ['d', 'p', 'q', 'dp', 'dq', 'qi']], EC: [['x', 'y'], ['d']] };
  const exportPair = (format, key, kty, alg, what) => {
    const handle = materialOf(key);
    const { name } = key.algorithm;
    if (format === 'jwk') {
      const jwk = kty === 'EC' ? { kty, crv: key.algorithm.namedCurve } : { kty, alg };
      const [shared, secret] = NUMBERS[kty];
      for (const n of key.type === 'private' ? [...shared, ...secret] : shared) jwk[n] = native.toBase64url(done(native.number(handle, n), what));
      return Object.assign(jwk, { key_ops: [...key.usages], ext: key.extractable });
    }
    const fits = { raw: kty === 'EC' && key.type === 'public', spki: key.type === 'public', pkcs8: key.type === 'private' };
    if (format === 'raw' && kty === 'RSA') throw named('NotSupportedError', `${what}: a key of ${name} can't be exported as 'raw'`);
    if (!fits[format]) throw named('InvalidAccessError', `${what}: a ${key.type} key can't be exported as '${format}'`);
    return done(format === 'raw' ? native.toPoint(handle) : native.toDer(handle, format === 'pkcs8'), what);
  };

  // Both keys share the handle: what the public one may do touches its public half only.
  const newPair = (name, handle, algorithm, extractable, usages, what) => {
    const rules = RULES[name];
    const privateKey = newKey(handle, 'private', algorithm(), extractable, usages.filter((u) => rules.private.includes(u)), what);
    const publicKey = newKey(handle, 'public', algorithm(), true, usages.filter((u) => rules.public.includes(u)), what);
    return { publicKey, privateKey };
  };
  const pairUsages = (name, usages, what) => {
    const rules = RULES[name];
    const list = usagesOf(usages, [...rules.public, ...rules.private], name, what);
    if (!list.some((u) => rules.private.includes(u))) throw named('SyntaxError', `${what}: the private key needs a usage`);
    return list;
  };

  // --- RSA ------------------------------------------------------------------------------------

  const exponentOf = (a, what) => {
    if (!(a.publicExponent instanceof Uint8Array)) throw new TypeError(`${what}: publicExponent must be a Uint8Array`);
    const e = a.publicExponent.reduce((sum, byte) => sum * 256 + byte, 0);
    if (e < 3 || e % 2 === 0 || e >= 2 ** 32) throw named('OperationError', `${what}: publicExponent must be odd, at least 3 and below 2^32`);
    return e;
  };
  const rsa = (name, operations) => ({
    ...operations,
    generate: async (a, extractable, usages, what) => {
      const list = pairUsages(name, usages, what);
      const hash = hashOf(a, what);
      const e = exponentOf(a, what);
      if (!Number.isInteger(a.modulusLength) || a.modulusLength < 512 || a.modulusLength > 16384) throw named('OperationError', `${what}: modulusLength must be 512 to 16384 bits, not ${a.modulusLength}`);
      const handle = done(await native.generate('RSA', a.modulusLength, e), what);
      return newPair(name, handle, () => rsaAlgorithm(name, handle, hash), extractable, list, what);
    },
    import: (format, data, a, extractable, usages, what) => {
      const hash = hashOf(a, what);
      const [handle, type, list] = importPair(name, 'RSA', format, data, RULES[name].alg(hash), extractable, usages, what);
      return newKey(handle, type, rsaAlgorithm(name, handle, hash), extractable, list, what);
    },
    export: (format, key, what) => exportPair(format, key, 'RSA', RULES[name].alg(key.algorithm.hash.name), what),
  });

  const hashName = (key) => key.algorithm.hash.name;
  // A salt that leaves no room is refused by its length (RFC 8017 9.1.1), which OpenSSL would not name.
  const saltOf = (a, key, what) => {
    if (a.name !== 'RSA-PSS') return 0;
    if (typeof a.saltLength !== 'number') throw new TypeError(`${what}: RSA-PSS needs a saltLength`);
    const most = Math.ceil((key.algorithm.modulusLength - 1) / 8) - HASHES[hashName(key)].size - 2;
    if (!Number.isInteger(a.saltLength) || a.saltLength < 0 || a.saltLength > most) throw named('OperationError', `${what}: saltLength must be 0 to ${most} with that key and hash, not ${a.saltLength}`);
    return a.saltLength;
  };
  const rsaSigns = {
    sign: async (a, key, data, what) => done(await native.sign(materialOf(key), SCHEMES.indexOf(a.name), hashName(key), saltOf(a, key, what), data), what),
    verify: async (a, key, signature, data, what) => native.verify(materialOf(key), SCHEMES.indexOf(a.name), hashName(key), saltOf(a, key, what), signature, data),
  };

  const labelOf = (a) => (a.label === undefined ? undefined : bytesOf(a.label, 'label'));
  const rsaEncrypts = {
    encrypt: async (a, key, data, what) => {
      const most = Math.ceil(key.algorithm.modulusLength / 8) - 2 * HASHES[hashName(key)].size - 2; // RFC 8017 7.1.1
      if (data.byteLength > most) throw named('OperationError', `${what}: ${data.byteLength} bytes are more than the ${most} that fit into that key with ${hashName(key)}`);
      return done(await native.oaep(materialOf(key), true, hashName(key), labelOf(a), data), what);
    },
    decrypt: async (a, key, data, what) => done(await native.oaep(materialOf(key), false, hashName(key), labelOf(a), data), what),
  };

  // --- curves ---------------------------------------------------------------------------------

  const curve = (name, operations) => ({
    ...operations,
    generate: async (a, extractable, usages, what) => {
      const list = pairUsages(name, usages, what);
      const namedCurve = curveOf(a, what);
      const handle = done(await native.generate(namedCurve, 0, 0), what);
      return newPair(name, handle, () => ({ name, namedCurve }), extractable, list, what);
    },
    import: (format, data, a, extractable, usages, what) => {
      const namedCurve = curveOf(a, what);
      const [handle, type, list] = importPair(name, namedCurve, format, data, RULES[name].alg(namedCurve), extractable, usages, what);
      return newKey(handle, type, { name, namedCurve }, extractable, list, what);
    },
    export: (format, key, what) => exportPair(format, key, 'EC', undefined, what),
  });

  const ecdsa = {
    sign: async (a, key, data, what) => done(await native.sign(materialOf(key), SCHEMES.indexOf('ECDSA'), hashOf(a, what), 0, data), what),
    verify: async (a, key, signature, data, what) => native.verify(materialOf(key), SCHEMES.indexOf('ECDSA'), hashOf(a, what), 0, signature, data),
  };

  const ecdh = {
    // Null: the whole x coordinate; else its first bits, with zeros behind them up to the byte.
    derive: async (a, key, bits, what) => {
      const theirs = a.public;
      if (!isKey(theirs)) throw new TypeError(`${what}: public must be a CryptoKey`);
      if (theirs.type !== 'public') throw named('InvalidAccessError', `${what}: public must be a public key`);
      if (theirs.algorithm.name !== 'ECDH') throw named('InvalidAccessError', `${what}: the public key is for ${theirs.algorithm.name}, not ECDH`);
      const { namedCurve } = key.algorithm;
      if (theirs.algorithm.namedCurve !== namedCurve) throw named('InvalidAccessError', `${what}: the keys are on different curves: ${namedCurve} and ${theirs.algorithm.namedCurve}`);
      const secret = done(await native.agree(materialOf(key), materialOf(theirs)), what);
      if (bits === null) return secret;
      if (!Number.isInteger(bits) || bits < 0 || bits > secret.byteLength * 8) throw named('OperationError', `${what}: ECDH on ${namedCurve} gives at most ${secret.byteLength * 8} bits, not ${bits}`);
      const out = new Uint8Array(secret, 0, Math.ceil(bits / 8)).slice();
      if (bits % 8) out[out.length - 1] &= 0xff << (8 - bits % 8);
      return out.buffer;
    },
  };

  return {
    'RSASSA-PKCS1-v1_5': rsa('RSASSA-PKCS1-v1_5', rsaSigns),
    'RSA-PSS': rsa('RSA-PSS', rsaSigns),
    'RSA-OAEP': rsa('RSA-OAEP', rsaEncrypts),
    ECDSA: curve('ECDSA', ecdsa),
    ECDH: curve('ECDH', ecdh),
  };
})
