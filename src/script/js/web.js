// Globals of the web platform: text encoding, base64, structuredClone, AbortController.
// Natives: fromUtf8(bytes) and toUtf8(text) give undefined where the data is not valid Unicode.
(function (native) {
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
      const fast = native.toUtf8(String(text));
      if (fast) return fast;
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
    encodeInto(text, target) {
      if (!(target instanceof Uint8Array)) throw new TypeError('encodeInto() needs a Uint8Array');
      let read = 0, written = 0;
      for (const ch of String(text)) {
        const bytes = this.encode(ch);
        if (written + bytes.length > target.length) break;
        target.set(bytes, written);
        written += bytes.length;
        read += ch.length;
      }
      return { read, written };
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
  // The bytes at the end that begin a character of UTF-8 which more bytes may complete.
  const unfinished = (bytes) => {
    for (let n = 1; n <= 3 && n <= bytes.length; n++) {
      const b = bytes[bytes.length - n];
      if (b >= 0x80 && b <= 0xbf) continue;
      const needed = b >= 0xf0 && b <= 0xf4 ? 4 : b >= 0xe0 && b <= 0xef ? 3 : b >= 0xc2 && b <= 0xdf ? 2 : 1;
      const second = bytes[bytes.length - n + 1];
      const low = b === 0xe0 ? 0xa0 : b === 0xf0 ? 0x90 : 0x80, high = b === 0xed ? 0x9f : b === 0xf4 ? 0x8f : 0xbf;
      return needed > n && (n === 1 || (second >= low && second <= high)) ? n : 0;
    }
    return 0;
  };
  // Windows-1252, which the web means by "latin1": 0x80 to 0x9f differ from Latin-1.
  const HIGH = '\u20ac\x81\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\x8d\u017d\x8f\x90\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\x9d\u017e\u0178';
  const latin1 = (emit) => (b) => {
    if (b >= 0) emit(b >= 0x80 && b <= 0x9f ? HIGH.charCodeAt(b - 0x80) : b);
    return false;
  };
  const DECODERS = { 'utf-8': utf8, 'utf-16le': utf16(false), 'utf-16be': utf16(true), 'windows-1252': latin1 };
  const LABELS = {
    'utf-8': 'utf-8', utf8: 'utf-8', 'unicode-1-1-utf-8': 'utf-8', 'utf-16': 'utf-16le', 'utf-16le': 'utf-16le',
    unicode: 'utf-16le', 'ucs-2': 'utf-16le', 'utf-16be': 'utf-16be', latin1: 'windows-1252', l1: 'windows-1252',
    'iso-8859-1': 'windows-1252', 'iso8859-1': 'windows-1252', ascii: 'windows-1252', 'us-ascii': 'windows-1252',
    'windows-1252': 'windows-1252', cp1252: 'windows-1252',
  };

  class TextDecoder {
    #encoding; #fatal; #ignoreBOM;
    #feed = null; #points = []; #bad = false; // of the slow way
    #tail = null; // UTF-8: an unfinished character of the chunk before
    #bomSeen = false; #going = false; // within a stream
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
    #slow(bytes, more) {
      this.#feed ??= DECODERS[this.#encoding]((point) => { if (point === BAD) this.#bad = true; this.#points.push(point === BAD ? 0xfffd : point); });
      this.#points = [];
      this.#bad = false;
      let out = '';
      for (let i = 0; i < bytes.length; i++) {
        while (this.#feed(bytes[i]));
        if (this.#points.length >= 4096) { out += String.fromCodePoint(...this.#points); this.#points = []; }
      }
      if (!more) { this.#feed(-1); this.#feed = null; }
      if (this.#bad && this.#fatal) {
        this.#feed = this.#tail = null;
        this.#going = false;
        throw new TypeError(`the data is not valid ${this.#encoding}`);
      }
      return out + String.fromCodePoint(...this.#points);
    }
    #utf8(bytes, more) {
      if (this.#tail) {
        const all = new Uint8Array(this.#tail.length + bytes.length);
        all.set(this.#tail);
        all.set(bytes, this.#tail.length);
        bytes = all;
        this.#tail = null;
      }
      const left = more ? unfinished(bytes) : 0;
      if (left > 0) {
        this.#tail = bytes.slice(bytes.length - left);
        bytes = bytes.subarray(0, bytes.length - left);
      }
      return native.fromUtf8(bytes) ?? this.#slow(bytes, false);
    }
    decode(input, options = {}) {
      const bytes = bytesOf(input), more = Boolean(options?.stream);
      if (!this.#going) this.#bomSeen = false;
      this.#going = more;
      let text = this.#encoding === 'utf-8' ? this.#utf8(bytes, more) : this.#slow(bytes, more);
      if (!this.#bomSeen && text !== '') {
        this.#bomSeen = true;
        if (text[0] === '\ufeff' && !this.#ignoreBOM && this.#encoding !== 'windows-1252') text = text.slice(1);
      }
      return text;
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
