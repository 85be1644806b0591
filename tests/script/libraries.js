// expect-stdout: checks_succeeded...: 100.00% 28 out of 28
// expect-stdout: {check:from the library}
// args: --summary-mode full
// What libraries of k6 scripts are made of: bundles of webpack and esbuild, UMD wrappers, feature
// checks of the global object, metrics that are defined again, signing, multipart bodies.
import bundle, { check as libraryCheck, uuid, stage } from './lib/bundle_webpack.js';
import * as everything from './lib/bundle_webpack.js';
import esbuildDefault, { describe, expect, twice } from './lib/bundle_esbuild.js';
import Library, { slice } from './lib/bundle_umd.js';
import http from 'k6/http';
import crypto from 'k6/crypto';
import encoding from 'k6/encoding';
import { check } from 'k6';
import { Counter, Rate } from 'k6/metrics';

export const options = {
  scenarios: { main: { executor: 'per-vu-iterations', vus: 1, iterations: 1 } },
  thresholds: { 'checks{check:from the library}': ['rate==1'], checks: ['rate==1'] },
};

const again = [new Rate('checks'), new Counter('mine'), new Counter('mine')];

// AWS's signature version 4: HMACs that key one another. The request and its signature are AWS's
// published example "get-vanilla".
function sign(secret, date, region, service, text) {
  const day = date.slice(0, 8);
  const scope = `${day}/${region}/${service}/aws4_request`;
  const keys = [`AWS4${secret}`, day, region, service, 'aws4_request'];
  const key = keys.reduce((k, part) => (k ? crypto.hmac('sha256', k, part, 'binary') : part), '');
  const toSign = ['AWS4-HMAC-SHA256', date, scope, crypto.sha256(text, 'hex')].join('\n');
  return [crypto.hmac('sha256', key, toSign, 'hex'), key instanceof ArrayBuffer];
}

// A multipart body in the manner of FormData polyfills, which k6 is given as an ArrayBuffer.
class Form {
  #parts = [];
  constructor() { this.boundary = `----Boundary${encoding.b64encode(crypto.randomBytes(9), 'rawurl')}`; }
  append(name, value, filename) {
    const file = value && value.data !== undefined ? value : null;
    const head = `--${this.boundary}\r\nContent-Disposition: form-data; name="${name}"` +
      (file ? `; filename="${filename || file.filename}"\r\nContent-Type: ${file.content_type}` : '') + '\r\n\r\n';
    this.#parts.push(head, file ? file.data : String(value), '\r\n');
  }
  body() {
    const bytes = [];
    for (const part of [...this.#parts, `--${this.boundary}--\r\n`]) {
      if (typeof part === 'string') for (let i = 0; i < part.length; i++) bytes.push(part.charCodeAt(i) & 0xff);
      else bytes.push(...new Uint8Array(part));
    }
    return new Uint8Array(bytes).buffer;
  }
}

// Collections that make plain ones of themselves.
class List extends Array {
  static get [Symbol.species]() { return Array; }
  get last() { return this[this.length - 1]; }
}
class Later extends Promise {
  static get [Symbol.species]() { return Promise; }
}

function globalOf() {
  const tries = [
    () => (typeof globalThis !== 'undefined' ? globalThis : undefined),
    () => (typeof window !== 'undefined' ? window : undefined),
    () => Function('return this')(),
    () => (0, eval)('this'),
  ];
  return tries.map((t) => t()).filter(Boolean);
}

export default async function () {
  check(bundle, {
    'named exports are those of module.exports': () => everything.uuid === uuid && everything.default === bundle,
    '__esModule is not enumerable': () => bundle.__esModule === true && !Object.keys(bundle).includes('__esModule'),
    'the global object, however it is found': () => globalOf().every((g) => g === globalThis) && bundle.global === globalThis,
    'a trace id of random bytes': () => /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(uuid()),
    'getRandomValues gives its argument': () => { const a = new Uint8Array(8); return crypto !== globalThis.crypto && globalThis.crypto.getRandomValues(a) === a && a.some((x) => x); },
    'execution from within a bundle': () => stage().join() === 'per-vu-iterations,0,number',
    'one metric, however often it is made': () => again[1].name === 'mine' && again[0].name === 'checks',
  });
  check(esbuildDefault, {
    'lazy CommonJS inside of a bundle': () => twice(4) === 8 && twice.calls === 1,
    'named and default exports of k6/http are one': (d) => d.hasHttp === 'function' && d.sameHttp,
    'a description that holds': () => describe('described', () => { expect(1).to.equal(1).and.not.equal(2); }),
    'a wrong word in a chain': () => { try { expect(1).bee(); } catch (e) { return e.message === 'Invalid property: bee'; } },
  });
  check(Library, {
    'UMD finds CommonJS': (l) => typeof l.parse === 'function' && l.parse('a,b\r\nc').length === 2,
    'no window, no worker': (l) => l.isWorker === false && typeof window === 'undefined' && typeof self === 'undefined' && typeof process === 'undefined',
    'uncurried methods': () => slice([1, 2, 3], 1).join() === '2,3',
    'functions as classes': (l) => new l.Derived('x').hello() === 'hello x' && l.Base('y').hello() === 'hello y' && new l.Derived('z') instanceof l.Base,
    'errors of their own': (l) => { const e = new l.OwnError('boom'); return l.native && e instanceof Error && e instanceof l.OwnError && e.message === 'boom' && e.code === 42 && typeof e.stack === 'string'; },
    'species': () => { const l = List.of(1, 2); return l.last === 2 && l.map((x) => x) instanceof Array && !(l.map((x) => x) instanceof List) && !(Later.resolve(1).then(() => 2) instanceof Later); },
  });
  const form = new Form();
  form.append('text', 'väl\u0000ue');
  form.append('file', http.file(new Uint8Array([0, 255, 10]).buffer, 'a.bin', 'application/x-thing'));
  const text = encoding.b64decode(encoding.b64encode(form.body()), 'std', 's');
  check(form, {
    'a multipart body': () => form.body().byteLength > 200 && text.includes('filename="a.bin"\r\nContent-Type: application/x-thing') && text.trimEnd().endsWith(`--${form.boundary}--`),
    'a file of http.file': () => { const f = http.file('data', 'n.txt'); return f.data === 'data' && f.filename === 'n.txt' && f.content_type === 'application/octet-stream'; },
  });
  check(null, {
    'AWS signature version 4': () => sign('wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY', '20150830T123600Z', 'us-east-1', 'service',
      ['GET', '/', '', 'host:example.amazonaws.com', 'x-amz-date:20150830T123600Z', '', 'host;x-amz-date', crypto.sha256('', 'hex')].join('\n'))
      .join() === '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31,true',
    'a chain of digests in one object': () => { const h = crypto.createHMAC('sha256', new Uint8Array([1, 2]).buffer); h.update('a'); h.update(new Uint8Array([98]).buffer); return h.digest('hex') === crypto.hmac('sha256', new Uint8Array([1, 2]).buffer, 'ab', 'hex'); },
  });
  const ok = await libraryCheck({ a: 1 }, { 'from the library': (v) => v.a === 1, 'later': async () => true, 'a value': 1, 'a promise': Promise.resolve('x') });
  check(ok, { 'checks that wait': (v) => v === true });
}
