// crypto.subtle against the published examples of JOSE: tokens of RFC 7515, RFC 7516 and RFC 7520 are verified, made again
// where the algorithm gives one result only, and decrypted; keys of RFC 7517 go in and come out as they were.
// expect-none: level=error
import { is, ok, once } from './lib/check.js';

const cases = JSON.parse(open('./data/jose.json'));
const s = crypto.subtle;
const text = new TextEncoder();
const bytes = (b64) => Uint8Array.from(atob(b64.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
const base64url = (data) => btoa(String.fromCharCode(...new Uint8Array(data))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '');
const number = (n) => new Uint8Array([n >>> 24, n >>> 16, n >>> 8, n]);
const join = (...parts) => new Uint8Array(parts.flatMap((p) => [...p]));
const publicHalf = ({ kty, n, e, crv, x, y }) => (kty === 'RSA' ? { kty, n, e } : { kty, crv, x, y });

// --- signatures -----------------------------------------------------------------------------

const SIGNS = {
  HS: (bits) => ({ name: 'HMAC', hash: `SHA-${bits}` }),
  RS: (bits) => ({ name: 'RSASSA-PKCS1-v1_5', hash: `SHA-${bits}` }),
  PS: (bits) => ({ name: 'RSA-PSS', hash: `SHA-${bits}`, saltLength: bits / 8 }),
  ES: (bits) => ({ name: 'ECDSA', hash: `SHA-${bits}`, namedCurve: bits === 512 ? 'P-521' : `P-${bits}` }),
};

async function jws({ rfc, jwk, token }) {
  const [head, body, tail] = token.split('.');
  const { alg } = JSON.parse(String.fromCharCode(...bytes(head)));
  const algorithm = SIGNS[alg.slice(0, 2)](Number(alg.slice(2)));
  const data = text.encode(`${head}.${body}`);
  const signature = bytes(tail);
  const isSecret = jwk.kty === 'oct';
  const verifier = await s.importKey('jwk', isSecret ? jwk : publicHalf(jwk), algorithm, false, ['verify']);
  const signer = await s.importKey('jwk', jwk, algorithm, false, ['sign']);
  ok(`${rfc} ${alg}`, await s.verify(algorithm, verifier, signature, data));
  ok(`${rfc}: another message`, !(await s.verify(algorithm, verifier, signature, data.subarray(1))));
  ok(`${rfc}: another signature`, !(await s.verify(algorithm, verifier, signature.map((b, i) => (i === 9 ? b ^ 1 : b)), data)));
  const made = await s.sign(algorithm, signer, data);
  if (alg.startsWith('HS') || alg.startsWith('RS')) is(`${rfc}: signed`, base64url(made), tail);
  ok(`${rfc}: signed and verified`, await s.verify(algorithm, verifier, made, data));
}

// --- encryption -----------------------------------------------------------------------------

// RFC 7518 4.6.2, for keys of up to 256 bits.
async function concatKdf(secret, name, bits) {
  const id = text.encode(name);
  const sum = await s.digest('SHA-256', join(number(1), secret, number(id.length), id, number(0), number(0), number(bits)));
  return new Uint8Array(sum).slice(0, bits / 8);
}

async function agree(jwk, header, name, bits) {
  const curve = { name: 'ECDH', namedCurve: jwk.crv };
  const mine = await s.importKey('jwk', jwk, curve, false, ['deriveBits']);
  const theirs = await s.importKey('jwk', header.epk, curve, false, []);
  return concatKdf(new Uint8Array(await s.deriveBits({ name: 'ECDH', public: theirs }, mine)), name, bits);
}

async function unwrapKw(raw, wrapped) {
  const key = await s.importKey('raw', raw, 'AES-KW', false, ['unwrapKey']);
  // What is wrapped may be longer than an AES key: taken as one for HMAC.
  return new Uint8Array(await s.exportKey('raw', await s.unwrapKey('raw', wrapped, key, 'AES-KW', { name: 'HMAC', hash: 'SHA-256' }, true, ['sign'])));
}

const keyBits = (enc) => (enc.startsWith('A128CBC') ? 256 : Number(enc.slice(1, 4)));
const KEYS = {
  'RSA-OAEP': async (jwk, wrapped) => {
    const key = await s.importKey('jwk', jwk, { name: 'RSA-OAEP', hash: 'SHA-1' }, false, ['decrypt']);
    return new Uint8Array(await s.decrypt('RSA-OAEP', key, wrapped));
  },
  A128KW: async (jwk, wrapped) => unwrapKw(bytes(jwk.k), wrapped),
  'PBES2-HS512+A256KW': async (jwk, wrapped, h) => {
    const base = await s.importKey('raw', bytes(jwk.k), 'PBKDF2', false, ['deriveBits']);
    const salt = join(text.encode(h.alg), [0], bytes(h.p2s));
    return unwrapKw(await s.deriveBits({ name: 'PBKDF2', hash: 'SHA-512', salt, iterations: h.p2c }, base, 256), wrapped);
  },
  'ECDH-ES+A128KW': async (jwk, wrapped, h) => unwrapKw(await agree(jwk, h, h.alg, 128), wrapped),
  'ECDH-ES': async (jwk, wrapped, h) => agree(jwk, h, h.enc, keyBits(h.enc)),
  dir: async (jwk) => bytes(jwk.k),
  A256GCMKW: async (jwk, wrapped, h) => {
    const key = await s.importKey('raw', bytes(jwk.k), 'AES-GCM', false, ['decrypt']);
    return new Uint8Array(await s.decrypt({ name: 'AES-GCM', iv: bytes(h.iv) }, key, join(wrapped, bytes(h.tag))));
  },
};

// RFC 7518 5.2.2: half of the key is for HMAC, half for AES.
async function openCbc(cek, iv, sealed, tag, aad) {
  const mac = await s.importKey('raw', cek.subarray(0, 16), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  const sum = new Uint8Array(await s.sign('HMAC', mac, join(aad, iv, sealed, number(0), number(aad.length * 8)))).slice(0, 16);
  is('tag', base64url(sum), base64url(tag));
  return s.decrypt({ name: 'AES-CBC', iv }, await s.importKey('raw', cek.subarray(16), 'AES-CBC', false, ['decrypt']), sealed);
}

async function jwe({ rfc, jwk, token, text: wanted }) {
  const parts = token.split('.');
  const [head, wrapped, iv, sealed, tag] = parts.map(bytes);
  const header = JSON.parse(String.fromCharCode(...head));
  const cek = await KEYS[header.alg](jwk, wrapped, header);
  const aad = text.encode(parts[0]);
  const plain = header.enc.endsWith('GCM')
    ? await s.decrypt({ name: 'AES-GCM', iv, additionalData: aad }, await s.importKey('raw', cek, 'AES-GCM', false, ['decrypt']), join(sealed, tag))
    : await openCbc(cek, iv, sealed, tag, aad);
  is(`${rfc} ${header.alg} ${header.enc}`, new TextDecoder().decode(plain), wanted);
}

// --- keys -----------------------------------------------------------------------------------

async function keys({ rfc, jwk }) {
  const [algorithm, usages] = jwk.kty === 'EC'
    ? [{ name: 'ECDH', namedCurve: jwk.crv }, jwk.d ? ['deriveBits'] : []]
    : [{ name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, jwk.d ? ['sign'] : ['verify']];
  const key = await s.importKey('jwk', jwk, algorithm, true, usages);
  const out = await s.exportKey('jwk', key);
  is(rfc, key.type, jwk.d ? 'private' : 'public');
  for (const [name, value] of Object.entries(jwk)) {
    if (name !== 'kid' && name !== 'use') is(`${rfc}: ${name}`, out[name], value);
  }
  const format = jwk.d ? 'pkcs8' : 'spki';
  const again = await s.importKey(format, await s.exportKey(format, key), algorithm, true, usages);
  is(`${rfc}: by ${format}`, await s.exportKey('jwk', again), out);
}

export const options = once;
export default async function () {
  for (const one of cases) await (one.token ? (one.text ? jwe(one) : jws(one)) : keys(one));
  is('all of them', cases.length, 21);
}
