// The global `crypto` (W3C Web Cryptography API) with what most scripts want of it: random values. crypto.subtle is another
// part (webcrypto.js), five times as large, made when it is first read.
(function (native) {
  'use strict';
  const INTEGERS = ['Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array', 'BigInt64Array', 'BigUint64Array'];
  const refuse = (name, code, message) => { throw Object.defineProperties(new Error(message), { name: { value: name, writable: true, configurable: true }, code: { value: code } }); };
  class Crypto {
    get subtle() { return native.subtle(); }
    getRandomValues(array) {
      if (!ArrayBuffer.isView(array) || !INTEGERS.includes(array[Symbol.toStringTag])) refuse('TypeMismatchError', 17, 'getRandomValues() takes an array of integers');
      if (array.byteLength > 65536) refuse('QuotaExceededError', 22, 'getRandomValues() gives at most 65536 bytes');
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
    get [Symbol.toStringTag]() { return 'Crypto'; }
  }
  return { crypto: new Crypto(), Crypto };
})
