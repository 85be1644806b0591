// k6/ws (connect) and k6/websockets (WebSocket, Blob), on native sockets: `open` gives one, its
// events come by next() or as calls of a function.
(function (native) {
  'use strict';

  // --- Blob ---

  const encode = (text) => new TextEncoder().encode(text);
  const bytesOf = (part) => {
    if (part instanceof Blob) return part.__bytes;
    if (part instanceof ArrayBuffer) return new Uint8Array(part);
    if (ArrayBuffer.isView(part)) return new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
    return encode(String(part));
  };

  class Blob {
    #bytes;
    #type;
    constructor(parts = [], options = {}) {
      if (parts === null || typeof parts !== 'object' || typeof parts[Symbol.iterator] !== 'function')
        throw new TypeError('the parts of a Blob must be an array');
      const pieces = [...parts].map(bytesOf);
      this.#bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
      let at = 0;
      for (const piece of pieces) { this.#bytes.set(piece, at); at += piece.length; }
      this.#type = options?.type === undefined ? '' : String(options.type).toLowerCase();
    }
    get size() { return this.#bytes.length; }
    get type() { return this.#type; }
    get __bytes() { return this.#bytes; }
    async arrayBuffer() { return this.#bytes.slice().buffer; }
    async bytes() { return this.#bytes.slice(); }
    async text() { return new TextDecoder().decode(this.#bytes); }
    slice(start = 0, end = this.#bytes.length, type = '') {
      return new Blob([this.#bytes.slice(start, end)], { type });
    }
    stream() {
      const bytes = this.#bytes;
      return new ReadableStream({
        start(controller) {
          if (bytes.length) controller.enqueue(bytes.slice());
          controller.close();
        },
      });
    }
  }
  Object.defineProperty(Blob.prototype, '__bytes', { enumerable: false });

  // --- k6/ws ---

  const GOING_AWAY = 1001;

  class Socket {
    #raw;
    #handlers = new Map();
    #timers = [];
    #done = false;

    constructor(raw) { this.#raw = raw; }

    on(event, handler) {
      if (typeof handler !== 'function') throw new TypeError(`the handler of '${event}' must be a function`);
      if (!this.#handlers.has(event)) this.#handlers.set(event, []);
      this.#handlers.get(event).push(handler);
    }
    send(data) { this.#write(() => this.#raw.send(String(data))); }
    sendBinary(data) {
      if (!(data instanceof ArrayBuffer) && !ArrayBuffer.isView(data))
        throw new TypeError('sendBinary() takes an ArrayBuffer');
      this.#write(() => this.#raw.send(data));
    }
    ping() { this.#write(() => this.#raw.ping()); }
    close(code = GOING_AWAY) {
      if (this.#done) return;
      this.#raw.close(code, '');
      this.#finish(code);
    }
    setTimeout(handler, delay) { this.#start(handler, delay, false, 'setTimeout'); }
    setInterval(handler, delay) { this.#start(handler, delay, true, 'setInterval'); }

    // What is sent after the end is an error of the socket, not an exception of the script.
    #write(write) {
      if (this.#done) { this.#fail('websocket: close sent'); return; }
      try { write(); } catch (e) { this.#fail(e.message); }
    }
    #start(handler, delay, repeats, what) {
      if (typeof handler !== 'function') throw new TypeError(`the handler of ${what}() must be a function`);
      const ms = Number(delay);
      if (!(ms > 0)) throw new TypeError(`${what}() requires a >0 timeout parameter, received ${delay}`);
      this.#timers.push({ at: Date.now() + ms, ms, handler, repeats });
    }
    #emit(event, ...args) {
      for (const handler of this.#handlers.get(event) ?? []) handler(...args);
    }
    #fail(text) { this.#emit('error', { error: () => text, toString: () => text }); }
    #finish(code) {
      if (this.#done) return;
      this.#done = true;
      this.#emit('close', code);
    }
    #runTimers() {
      const now = Date.now();
      for (const timer of [...this.#timers]) {
        if (this.#done || timer.at > now) continue;
        if (timer.repeats) timer.at = Math.max(timer.at + timer.ms, now);
        else this.#timers.splice(this.#timers.indexOf(timer), 1);
        timer.handler();
      }
    }
    #handle([type, data, code]) {
      switch (type) {
        case 'message': this.#emit('message', data); break;
        case 'binary': this.#emit('binaryMessage', data); break;
        case 'ping': this.#emit('ping'); break;
        case 'pong': this.#emit('pong'); break;
        case 'close': this.#finish(code); break;
        default: this.#fail(data); this.#finish(code);
      }
    }
    run(setUp) {
      try {
        setUp(this);
        this.#emit('open');
        while (!this.#done) {
          const wait = this.#timers.reduce((least, timer) => Math.min(least, timer.at - Date.now()), Infinity);
          const event = wait > 0 ? this.#raw.next(wait) : this.#raw.next(0);
          if (event) this.#handle(event);
          this.#runTimers();
        }
      } finally {
        this.#raw.end();
      }
    }
    // Before it is open: what its handlers may want to know of a failure.
    refuse(setUp, text) {
      setUp(this);
      this.#done = true;
      this.#fail(text);
    }
  }
  for (const name of ['run', 'refuse']) Object.defineProperty(Socket.prototype, name, { enumerable: false });

  const connect = (url, params, setUp) => {
    if (typeof params === 'function') { setUp = params; params = null; }
    if (typeof setUp !== 'function') throw new TypeError('last argument to ws.connect must be a function');
    const raw = native.open(String(url), '', params ?? {});
    const [type, what] = raw.next(Infinity);
    if (type !== 'open') {
      new Socket(raw).refuse(setUp, what);
      native.warn(what);
    } else {
      new Socket(raw).run(setUp);
    }
    const { status, status_text, headers } = raw.reply();
    return { url: String(url), status, status_text, headers, body: '', error: type === 'open' ? '' : what };
  };

  // --- k6/websockets ---

  const CONNECTING = 0, OPEN = 1, CLOSING = 2, CLOSED = 3;
  const TYPES = ['open', 'message', 'error', 'close', 'ping', 'pong'];
  const REASON_MAX = 123; // bytes: RFC 6455 5.5

  const named = (name, text) => { const e = new Error(text); e.name = name; return e; };
  const checkUrl = (url) => {
    const text = String(url);
    if (text.includes('#')) throw new SyntaxError('the URL of a WebSocket can\'t have a fragment');
    return text;
  };

  class WebSocket {
    #raw;
    #url;
    #state = CONNECTING;
    #binaryType = 'blob';
    #reply = null;
    #single = new Map();
    #listeners = new Map();

    constructor(url, protocols, params) {
      this.#url = checkUrl(url);
      const list = protocols === null || protocols === undefined ? [] : [].concat(protocols).map(String);
      if (new Set(list).size !== list.length) throw new SyntaxError('a subprotocol is given twice');
      this.#raw = native.open(this.#url, list.join(', '), params ?? {}, (type, what, code) => this.#handle(type, what, code));
    }

    get url() { return this.#url; }
    get readyState() { return this.#state; }
    get bufferedAmount() { return 0; } // what is sent is with the system when send() returns
    get protocol() { return this.#reply?.protocol ?? ''; }
    get extensions() { return this.#reply?.extensions ?? ''; }
    get binaryType() { return this.#binaryType; }
    set binaryType(type) {
      if (type !== 'blob' && type !== 'arraybuffer')
        throw new TypeError(`unknown binaryType ${type}, the supported ones are "blob" and "arraybuffer"`);
      this.#binaryType = type;
    }

    addEventListener(type, listener) {
      if (typeof listener !== 'function') throw new TypeError(`the listener of '${type}' must be a function`);
      if (!TYPES.includes(type)) throw new TypeError(`unknown event type '${type}': use ${TYPES.join(', ')}`);
      const list = this.#listeners.get(type) ?? [];
      if (!list.includes(listener)) list.push(listener);
      this.#listeners.set(type, list);
    }
    removeEventListener(type, listener) {
      const list = this.#listeners.get(type) ?? [];
      const at = list.indexOf(listener);
      if (at >= 0) list.splice(at, 1);
    }

    send(data) {
      if (this.#state === CONNECTING) throw named('InvalidStateError', 'send() before the WebSocket is open');
      if (this.#state !== OPEN) return; // as the standard has it: silently dropped
      if (data instanceof Blob) this.#raw.send(data.__bytes);
      else if (typeof data === 'string' || data instanceof ArrayBuffer || ArrayBuffer.isView(data)) this.#raw.send(data);
      else throw new TypeError(`send() takes a string, an ArrayBuffer, a view or a Blob, not ${data === null ? 'null' : typeof data}`);
    }
    ping() {
      if (this.#state !== OPEN) throw named('InvalidStateError', 'ping() on a WebSocket that is not open');
      this.#raw.ping();
    }
    close(code = 1000, reason = '') {
      const number = Number(code);
      if (number !== 1000 && !(number >= 3000 && number <= 4999))
        throw named('InvalidAccessError', `the close code must be 1000 or 3000 to 4999, not ${code}`);
      if (encode(String(reason)).length > REASON_MAX)
        throw new SyntaxError(`the reason of a close must have at most ${REASON_MAX} bytes`);
      if (this.#state === CLOSING || this.#state === CLOSED) return;
      const wasOpen = this.#state === OPEN;
      this.#state = CLOSING;
      if (wasOpen) this.#raw.close(number, String(reason));
      else this.#raw.end();
    }

    #setSingle(type, fn) { this.#single.set(type, typeof fn === 'function' ? fn : null); }
    #emit(type, extra) {
      const event = { type, timestamp: Date.now(), target: this, ...extra };
      this.#single.get(type)?.call(this, event);
      for (const listener of [...(this.#listeners.get(type) ?? [])]) listener.call(this, event);
    }
    #handle(type, what, code) {
      switch (type) {
        case 'open':
          if (this.#state !== CONNECTING) return;
          this.#reply = what;
          this.#state = OPEN;
          this.#emit('open', {});
          break;
        case 'message': this.#emit('message', { data: what }); break;
        case 'binary':
          this.#emit('message', { data: this.#binaryType === 'blob' ? new Blob([what]) : what });
          break;
        case 'ping': case 'pong': this.#emit(type, { data: what }); break;
        case 'close':
          this.#state = CLOSED;
          this.#emit('close', { code, reason: what, wasClean: true });
          break;
        default:
          this.#state = CLOSED;
          try {
            this.#emit('error', { error: what });
          } finally {
            this.#emit('close', { code, reason: '', wasClean: false });
          }
      }
    }

    static {
      for (const type of TYPES) {
        Object.defineProperty(this.prototype, `on${type}`, {
          get() { return this.#single.get(type) ?? null; },
          set(fn) { this.#setSingle(type, fn); },
          enumerable: true, configurable: true,
        });
      }
      for (const [name, value] of Object.entries({ CONNECTING, OPEN, CLOSING, CLOSED })) {
        Object.defineProperty(this, name, { value, enumerable: true });
        Object.defineProperty(this.prototype, name, { value, enumerable: true });
      }
    }
  }

  return { connect, WebSocket, Blob };
})
