// What one WebCrypto makes and another must understand: imported by node and by a script of gale (test_webcrypto.py).
const s = globalThis.crypto.subtle;
const data = new Uint8Array(300).map((_, i) => i * 7);
const b64 = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes)));
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const pack = (key) => (key instanceof ArrayBuffer ? b64(key) : key);
const unpack = (key) => (typeof key === 'string' ? bytes(key) : key);

const HASHES = ['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512'];
const CURVES = ['P-256', 'P-384', 'P-521'];
const rsa = (name, hash, modulusLength = 1536) => ({ name, hash, modulusLength, publicExponent: new Uint8Array([1, 0, 1]) });
const SIGNS = {
  ...Object.fromEntries(HASHES.map((hash) => [`RS ${hash}`, rsa('RSASSA-PKCS1-v1_5', hash)])),
  ...Object.fromEntries(HASHES.map((hash, i) => [`PS ${hash}`, { ...rsa('RSA-PSS', hash, 1537 + i), saltLength: [0, 32, 20, 64][i] }])),
  ...Object.fromEntries(CURVES.flatMap((namedCurve) => HASHES.map((hash) => [`ES ${namedCurve} ${hash}`, { name: 'ECDSA', namedCurve, hash }]))),
};

async function both(pair, raw) {
  const out = { privateKey: {}, publicKey: {} };
  for (const format of ['jwk', 'pkcs8']) out.privateKey[format] = pack(await s.exportKey(format, pair.privateKey));
  for (const format of ['jwk', 'spki', ...(raw ? ['raw'] : [])]) out.publicKey[format] = pack(await s.exportKey(format, pair.publicKey));
  return out;
}

export async function make() {
  const made = { signs: {}, oaep: {}, ecdh: {} };
  for (const [name, algorithm] of Object.entries(SIGNS)) {
    const pair = await s.generateKey(algorithm, true, ['sign', 'verify']);
    made.signs[name] = { ...await both(pair, algorithm.name === 'ECDSA'), signature: b64(await s.sign(algorithm, pair.privateKey, data)) };
  }
  for (const hash of HASHES) {
    const pair = await s.generateKey(rsa('RSA-OAEP', hash), true, ['encrypt', 'decrypt']);
    const seal = (label) => s.encrypt({ name: 'RSA-OAEP', label }, pair.publicKey, data.subarray(0, 50)).then(b64);
    made.oaep[hash] = { ...await both(pair), plain: await seal(undefined), labelled: await seal(data) };
  }
  for (const namedCurve of CURVES) {
    const curve = { name: 'ECDH', namedCurve };
    const [a, b] = [await s.generateKey(curve, true, ['deriveBits', 'deriveKey']), await s.generateKey(curve, true, ['deriveBits'])];
    const aes = await s.deriveKey({ name: 'ECDH', public: b.publicKey }, a.privateKey, { name: 'AES-GCM', length: 256 }, true, ['encrypt']);
    made.ecdh[namedCurve] = {
      a: await both(a, true), b: await both(b, true), aes: b64(await s.exportKey('raw', aes)),
      secret: b64(await s.deriveBits({ name: 'ECDH', public: b.publicKey }, a.privateKey, null)),
    };
  }
  return made;
}

// Each key of `formats`, imported from every format; `again` gives what it is exported as here, which must be the same.
async function* keys(formats, algorithm, usages) {
  for (const [format, key] of Object.entries(formats)) {
    const imported = await s.importKey(format, unpack(key), algorithm, true, usages);
    const again = pack(await s.exportKey(format, imported));
    const members = (k) => (typeof k === 'string' ? k : ['kty', 'alg', 'crv', 'n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi', 'x', 'y'].map((m) => k[m]).join());
    yield [format, imported, members(again) === members(key)];
  }
}

// What does not hold, as texts.
export async function check(made) {
  const wrong = [];
  const must = (holds, what) => { if (!holds) wrong.push(what); };
  for (const [name, algorithm] of Object.entries(SIGNS)) {
    const { publicKey, privateKey, signature } = made.signs[name];
    for await (const [format, key, same] of keys(publicKey, algorithm, ['verify'])) {
      must(same, `${name}: public key as ${format}`);
      must(await s.verify(algorithm, key, bytes(signature), data), `${name}: verified by ${format}`);
      must(!(await s.verify(algorithm, key, bytes(signature), data.subarray(1))), `${name}: other data`);
      for await (const [other, signer, sameToo] of keys(privateKey, algorithm, ['sign'])) {
        must(sameToo, `${name}: private key as ${other}`);
        must(await s.verify(algorithm, key, await s.sign(algorithm, signer, data), data), `${name}: signed by ${other}`);
      }
    }
  }
  for (const [hash, { privateKey, plain, labelled }] of Object.entries(made.oaep)) {
    for await (const [format, key] of keys(privateKey, rsa('RSA-OAEP', hash), ['decrypt'])) {
      must(b64(await s.decrypt('RSA-OAEP', key, bytes(plain))) === b64(data.subarray(0, 50)), `OAEP ${hash} ${format}`);
      must(b64(await s.decrypt({ name: 'RSA-OAEP', label: data }, key, bytes(labelled))) === b64(data.subarray(0, 50)), `OAEP ${hash} ${format} with a label`);
    }
  }
  for (const [namedCurve, { a, b, secret, aes }] of Object.entries(made.ecdh)) {
    for await (const [format, theirs] of keys(a.publicKey, { name: 'ECDH', namedCurve }, [])) {
      for await (const [other, mine] of keys(b.privateKey, { name: 'ECDH', namedCurve }, ['deriveBits'])) {
        const got = await s.deriveBits({ name: 'ECDH', public: theirs }, mine, null);
        must(b64(got) === secret && b64(got.slice(0, 32)) === aes, `ECDH ${namedCurve} ${format} ${other}`);
      }
    }
  }
  return wrong;
}
