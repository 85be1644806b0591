// Globals of the web platform: text encoding, base64, structuredClone, AbortController.
(function () {
  'use strict';

  const bytesOf = (input) => {
    if (input === undefined) return new Uint8Array(0);
    if (ArrayBuffer.isView(input)) return new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
    if (input instanceof ArrayBuffer) return new Uint8Array(input);
    throw new TypeError('TextDecoder needs an ArrayBuffer or a view of one');
  };

  class TextEncoder {
    get encoding() { return 'utf-8'; }
    encode(text = '') {
      const out = [];
      for (const ch of String(text)) {
        let c = ch.codePointAt(0);
        if (c >= 0xd800 && c <= 0xdfff) c = 0xfffd;
        if (c < 0x80) out.push(c);
        else if (c < 0x800) out.push(0xc0 | c >> 6, 0x80 | c & 63);
        else if (c < 0x10000) out.push(0xe0 | c >> 12, 0x80 | c >> 6 & 63, 0x80 | c & 63);
        else out.push(0xf0 | c >> 18, 0x80 | c >> 12 & 63, 0x80 | c >> 6 & 63, 0x80 | c & 63);
      }
      return new Uint8Array(out);
    }
    get [Symbol.toStringTag]() { return 'TextEncoder'; }
  }

  // Each decoder is a function of one byte (or -1 at the end) that emits code points, BAD for an
  // error; it returns true when the byte is to be given again.
  const BAD = -1;
  const utf8 = (emit) => {
    let point = 0, needed = 0, low = 0x80, high = 0xbf;
    return (b) => {
      if (needed === 0) {
        if (b < 0) return false;
        if (b < 0x80) emit(b);
        else if (b >= 0xc2 && b <= 0xdf) { needed = 1; point = b & 31; }
        else if (b >= 0xe0 && b <= 0xef) { needed = 2; point = b & 15; if (b === 0xe0) low = 0xa0; if (b === 0xed) high = 0x9f; }
        else if (b >= 0xf0 && b <= 0xf4) { needed = 3; point = b & 7; if (b === 0xf0) low = 0x90; if (b === 0xf4) high = 0x8f; }
        else emit(BAD);
        return false;
      }
      const fits = b >= low && b <= high;
      low = 0x80; high = 0xbf;
      if (!fits) { needed = 0; emit(BAD); return b >= 0; }
      point = point << 6 | b & 63;
      if (--needed === 0) emit(point);
      return false;
    };
  };
  const utf16 = (big) => (emit) => {
    let first = -1, lead = 0;
    return (b) => {
      if (b < 0) { if (first >= 0 || lead) emit(BAD); first = -1; lead = 0; return false; }
      if (first < 0) { first = b; return false; }
      const unit = big ? first << 8 | b : b << 8 | first;
      first = -1;
      if (lead) {
        const before = lead;
        lead = 0;
        if (unit >= 0xdc00 && unit <= 0xdfff) { emit(0x10000 + (before - 0xd800 << 10) + unit - 0xdc00); return false; }
        emit(BAD);
      }
      if (unit >= 0xd800 && unit <= 0xdbff) lead = unit;
      else emit(unit >= 0xdc00 && unit <= 0xdfff ? BAD : unit);
      return false;
    };
  };
  const LABELS = {
    'utf-8': 'utf-8', utf8: 'utf-8', 'unicode-1-1-utf-8': 'utf-8', 'utf-16': 'utf-16le', 'utf-16le': 'utf-16le',
    unicode: 'utf-16le', 'ucs-2': 'utf-16le', 'utf-16be': 'utf-16be',
  };

  class TextDecoder {
    #encoding; #fatal; #ignoreBOM; #feed = null; #points = []; #bomSeen = false; #bad = false;
    constructor(label = 'utf-8', options = {}) {
      const name = String(label).trim().toLowerCase();
      if (!Object.hasOwn(LABELS, name)) throw new RangeError(`unsupported encoding: ${label}`);
      this.#encoding = LABELS[name];
      this.#fatal = Boolean(options?.fatal);
      this.#ignoreBOM = Boolean(options?.ignoreBOM);
    }
    get encoding() { return this.#encoding; }
    get fatal() { return this.#fatal; }
    get ignoreBOM() { return this.#ignoreBOM; }
    #emit(point) {
      if (point === BAD) { this.#bad = true; point = 0xfffd; }
      else if (!this.#bomSeen && point === 0xfeff && !this.#ignoreBOM) { this.#bomSeen = true; return; }
      this.#bomSeen = true;
      this.#points.push(point);
    }
    decode(input, options = {}) {
      const bytes = bytesOf(input);
      if (!this.#feed) {
        const make = this.#encoding === 'utf-8' ? utf8 : utf16(this.#encoding === 'utf-16be');
        this.#feed = make((point) => this.#emit(point));
        this.#bomSeen = false;
      }
      this.#points = [];
      this.#bad = false;
      let out = '';
      for (let i = 0; i < bytes.length; i++) {
        while (this.#feed(bytes[i]));
        if (this.#points.length >= 4096) { out += String.fromCodePoint(...this.#points); this.#points = []; }
      }
      if (!options?.stream) { this.#feed(-1); this.#feed = null; }
      if (this.#bad && this.#fatal) { this.#feed = null; throw new TypeError(`the data is not valid ${this.#encoding}`); }
      return out + String.fromCodePoint(...this.#points);
    }
    get [Symbol.toStringTag]() { return 'TextDecoder'; }
  }

  const domError = (name, message) => {
    const error = new Error(message);
    Object.defineProperty(error, 'name', { value: name, configurable: true, writable: true });
    return error;
  };

  const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  function btoa(data) {
    const text = String(data);
    let out = '';
    for (let i = 0; i < text.length; i += 3) {
      const a = text.charCodeAt(i), b = text.charCodeAt(i + 1), c = text.charCodeAt(i + 2);
      if (a > 255 || b > 255 || c > 255) throw domError('InvalidCharacterError', 'btoa() takes characters up to U+00FF');
      const n = a << 16 | b << 8 | c;
      out += ALPHABET[n >> 18] + ALPHABET[n >> 12 & 63] + (i + 1 < text.length ? ALPHABET[n >> 6 & 63] : '=') +
        (i + 2 < text.length ? ALPHABET[n & 63] : '=');
    }
    return out;
  }
  function atob(data) {
    let text = String(data).replace(/[\t\n\f\r ]/g, '');
    if (text.length % 4 === 0) text = text.replace(/={1,2}$/, '');
    if (text.length % 4 === 1 || /[^A-Za-z0-9+/]/.test(text)) throw domError('InvalidCharacterError', 'atob() was given no base64');
    let out = '', bits = 0, count = 0;
    for (let i = 0; i < text.length; i++) {
      bits = (bits << 6 | ALPHABET.indexOf(text[i])) & 0xffff;
      count += 6;
      if (count >= 8) { count -= 8; out += String.fromCharCode(bits >> count & 255); }
    }
    return out;
  }

  const kindOf = (value) => Object.prototype.toString.call(value).slice(8, -1);
  const ERRORS = { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };
  const clone = (value, seen) => {
    if (typeof value === 'function' || typeof value === 'symbol') throw domError('DataCloneError', `a ${typeof value} can't be cloned`);
    if (typeof value !== 'object' || value === null) return value;
    if (seen.has(value)) return seen.get(value);
    const keep = (copy) => { seen.set(value, copy); return copy; };
    if (Array.isArray(value)) {
      const copy = keep(new Array(value.length));
      for (const key of Object.keys(value)) copy[key] = clone(value[key], seen);
      return copy;
    }
    if (value instanceof Date) return keep(new Date(value.getTime()));
    if (value instanceof RegExp) return keep(new RegExp(value.source, value.flags));
    if (value instanceof ArrayBuffer) return keep(value.slice(0));
    if (ArrayBuffer.isView(value)) {
      const buffer = clone(value.buffer, seen);
      return keep(new globalThis[kindOf(value)](buffer, value.byteOffset, value.length ?? value.byteLength));
    }
    if (value instanceof Map) {
      const copy = keep(new Map());
      for (const [k, v] of [...value]) copy.set(clone(k, seen), clone(v, seen));
      return copy;
    }
    if (value instanceof Set) {
      const copy = keep(new Set());
      for (const v of [...value]) copy.add(clone(v, seen));
      return copy;
    }
    if (value instanceof Error) {
      const copy = keep(Object.create((Object.hasOwn(ERRORS, value.name) ? ERRORS[value.name] : Error).prototype));
      for (const key of ['message', 'stack', 'cause']) {
        if (Object.hasOwn(value, key)) Object.defineProperty(copy, key, { value: clone(value[key], seen), writable: true, configurable: true });
      }
      return copy;
    }
    if (value instanceof Promise || value instanceof WeakMap || value instanceof WeakSet) throw domError('DataCloneError', `a ${kindOf(value)} can't be cloned`);
    if (value instanceof Boolean || value instanceof Number || value instanceof String) return keep(Object(value.valueOf()));
    const copy = keep({});
    for (const key of Object.keys(value)) Object.defineProperty(copy, key, { value: clone(value[key], seen), writable: true, enumerable: true, configurable: true });
    return copy;
  };
  function structuredClone(value) {
    if (arguments.length === 0) throw new TypeError('structuredClone() needs a value');
    return clone(value, new Map());
  }

  const SECRET = {};
  let abortSignal;
  // A signal that depends on others, or on time, holds on to them only while somebody listens: a
  // timeout that nobody waits for keeps no iteration alive.
  class AbortSignal {
    #aborted = false; #reason = undefined; #listeners = []; #onabort = null;
    #sources = []; #deadline = Infinity; #timer = 0;
    #follow = (event) => abortSignal(this, event.target.reason);
    constructor(secret) { if (secret !== SECRET) throw new TypeError('an AbortSignal comes from an AbortController'); }
    get aborted() {
      if (!this.#aborted && Date.now() >= this.#deadline) this.#expire();
      for (const s of this.#sources) if (!this.#aborted && s.aborted) abortSignal(this, s.reason);
      return this.#aborted;
    }
    get reason() { return this.aborted ? this.#reason : undefined; }
    throwIfAborted() { if (this.aborted) throw this.#reason; }
    #expire() { abortSignal(this, domError('TimeoutError', 'the operation timed out')); }
    #listen() {
      const wanted = !this.#aborted && (this.#listeners.length > 0 || typeof this.#onabort === 'function');
      for (const s of this.#sources) s[wanted ? 'addEventListener' : 'removeEventListener']('abort', this.#follow);
      if (wanted && !this.#timer && this.#deadline !== Infinity) this.#timer = setTimeout(() => this.#expire(), this.#deadline - Date.now());
      if (!wanted && this.#timer) { clearTimeout(this.#timer); this.#timer = 0; }
    }
    get onabort() { return this.#onabort; }
    set onabort(fn) { this.#onabort = fn; this.#listen(); }
    addEventListener(type, fn, options) {
      if (type !== 'abort' || !fn || this.#listeners.some((l) => l.fn === fn)) return;
      this.#listeners.push({ fn, once: Boolean(options?.once) });
      this.#listen();
    }
    removeEventListener(type, fn) {
      if (type !== 'abort') return;
      this.#listeners = this.#listeners.filter((l) => l.fn !== fn);
      this.#listen();
    }
    static {
      abortSignal = (signal, reason = domError('AbortError', 'the operation was aborted')) => {
        if (signal.#aborted) return;
        signal.#aborted = true;
        signal.#reason = reason;
        const event = { type: 'abort', target: signal, currentTarget: signal };
        const all = signal.#listeners;
        signal.#listeners = all.filter((l) => !l.once);
        signal.#listen();
        if (typeof signal.#onabort === 'function') signal.#onabort(event);
        for (const { fn } of all) typeof fn === 'function' ? fn.call(signal, event) : fn.handleEvent(event);
      };
    }
    static abort(reason) { const signal = new AbortSignal(SECRET); abortSignal(signal, reason); return signal; }
    static timeout(ms) {
      const delay = Number(ms);
      if (!(delay >= 0)) throw new TypeError('AbortSignal.timeout() takes a number of milliseconds');
      const signal = new AbortSignal(SECRET);
      signal.#deadline = Date.now() + delay;
      return signal;
    }
    static any(signals) {
      const signal = new AbortSignal(SECRET);
      for (const s of signals) {
        if (!(s instanceof AbortSignal)) throw new TypeError('AbortSignal.any() takes AbortSignals');
        signal.#sources.push(s);
      }
      return signal;
    }
    get [Symbol.toStringTag]() { return 'AbortSignal'; }
  }
  class AbortController {
    #signal = new AbortSignal(SECRET);
    get signal() { return this.#signal; }
    abort(reason) { abortSignal(this.#signal, reason); }
    get [Symbol.toStringTag]() { return 'AbortController'; }
  }

  return { TextEncoder, TextDecoder, atob, btoa, structuredClone, AbortController, AbortSignal };
})
