// k6/experimental/streams: ReadableStream and WritableStream of chunks, without byte streams.
(function () {
  'use strict';

  class CountQueuingStrategy {
    #mark;
    constructor(options = {}) { this.#mark = options?.highWaterMark ?? 1; }
    get highWaterMark() { return this.#mark; }
    size() { return 1; }
  }

  const markOf = (strategy, def) => {
    const mark = strategy?.highWaterMark === undefined ? def : Number(strategy.highWaterMark);
    if (Number.isNaN(mark) || mark < 0) throw new RangeError('highWaterMark must be a number of at least 0');
    return mark;
  };
  const sizeOf = (strategy) => {
    const size = strategy?.size;
    if (size === undefined) return () => 1;
    if (typeof size !== 'function') throw new TypeError('size must be a function');
    return (chunk) => {
      const n = Number(size.call(strategy, chunk));
      if (!(n >= 0) || n === Infinity) throw new RangeError('the size of a chunk must be a finite number of at least 0');
      return n;
    };
  };
  const method = (object, name) => {
    const fn = object?.[name];
    if (fn === undefined) return undefined;
    if (typeof fn !== 'function') throw new TypeError(`${name} must be a function`);
    return (...args) => fn.apply(object, args);
  };
  const deferred = () => {
    const d = {};
    d.promise = new Promise((resolve, reject) => { d.resolve = resolve; d.reject = reject; });
    d.promise.catch(() => {}); // nobody has to look at it
    return d;
  };
  const later = (fn, ...args) => { try { return Promise.resolve(fn?.(...args)); } catch (e) { return Promise.reject(e); } };
  const SECRET = {};

  // --- reading: the state of a stream is one plain object that its classes share ---

  const readStates = new WeakMap();
  const readState = (stream) => {
    const s = readStates.get(stream);
    if (!s) throw new TypeError('a ReadableStream was expected');
    return s;
  };
  const failRead = (s, error) => {
    if (s.state !== 'readable') return;
    s.state = 'errored'; s.error = error; s.queue = []; s.total = 0;
    for (const r of s.waiting.splice(0)) r.reject(error);
    s.closed?.reject(error);
  };
  const finishRead = (s) => {
    s.state = 'closed';
    for (const r of s.waiting.splice(0)) r.resolve({ done: true, value: undefined });
    s.closed?.resolve(undefined);
  };
  const pullIfWanted = (s) => {
    if (s.state !== 'readable' || s.closing || !s.started || !s.pull) return;
    if (s.waiting.length === 0 && s.mark - s.total <= 0) return;
    if (s.pulling) { s.again = true; return; }
    s.pulling = true;
    later(s.pull, s.controller).then(() => {
      s.pulling = false;
      if (s.again) { s.again = false; pullIfWanted(s); }
    }, (e) => failRead(s, e));
  };
  const cancelRead = (s, reason) => {
    if (s.state === 'closed') return Promise.resolve(undefined);
    if (s.state === 'errored') return Promise.reject(s.error);
    s.queue = []; s.total = 0;
    finishRead(s);
    return later(s.cancel, reason).then(() => undefined);
  };

  class ReadableStreamDefaultController {
    #s;
    constructor(s, secret) { if (secret !== SECRET) throw new TypeError('not to be constructed'); this.#s = s; }
    get desiredSize() { const s = this.#s; return s.state === 'errored' ? null : s.state === 'closed' ? 0 : s.mark - s.total; }
    #need() { if (this.#s.closing || this.#s.state !== 'readable') throw new TypeError('the stream is closed or errored'); }
    enqueue(chunk) {
      const s = this.#s;
      this.#need();
      if (s.waiting.length > 0) s.waiting.shift().resolve({ done: false, value: chunk });
      else {
        let size;
        try { size = s.size(chunk); } catch (e) { failRead(s, e); throw e; }
        s.queue.push({ chunk, size });
        s.total += size;
      }
      pullIfWanted(s);
    }
    close() { this.#need(); this.#s.closing = true; if (this.#s.queue.length === 0) finishRead(this.#s); }
    error(reason) { failRead(this.#s, reason); }
  }

  class ReadableStream {
    constructor(source = {}, strategy = {}) {
      if (source === null || typeof source !== 'object') throw new TypeError('the underlying source must be an object');
      if (source.type !== undefined && source.type !== 'default') throw new RangeError(`streams of type '${source.type}' are not supported`);
      const s = { state: 'readable', queue: [], total: 0, waiting: [], closing: false, started: false, pulling: false, again: false,
        reader: null, closed: null, error: undefined, mark: markOf(strategy, 1), size: sizeOf(strategy),
        pull: method(source, 'pull'), cancel: method(source, 'cancel') };
      s.controller = new ReadableStreamDefaultController(s, SECRET);
      readStates.set(this, s);
      const begun = method(source, 'start')?.(s.controller); // throws to whoever constructs it
      Promise.resolve(begun).then(() => { s.started = true; pullIfWanted(s); }, (e) => failRead(s, e));
    }
    get locked() { return readState(this).reader !== null; }
    cancel(reason) {
      if (this.locked) return Promise.reject(new TypeError('a locked stream is cancelled by its reader'));
      return cancelRead(readState(this), reason);
    }
    getReader(options = {}) {
      if (options?.mode !== undefined) throw new RangeError(`readers of mode '${options.mode}' are not supported`);
      return new ReadableStreamDefaultReader(this);
    }
    // Both branches get every chunk; the slower one's queue holds what the faster one has read ahead.
    tee() {
      const reader = this.getReader();
      const gone = [false, false];
      let controllers = [], stopped = deferred();
      const both = (fn) => controllers.forEach((c, i) => { if (!gone[i]) fn(c); });
      const pull = () => reader.read().then(({ done, value }) => both((c) => (done ? c.close() : c.enqueue(value))),
        (e) => both((c) => c.error(e)));
      const branch = (i) => new ReadableStream({
        start(c) { controllers[i] = c; },
        pull,
        cancel(reason) {
          gone[i] = true;
          if (gone[1 - i]) stopped.resolve(reader.cancel(reason));
          return gone[1 - i] ? stopped.promise : undefined;
        },
      }, { highWaterMark: 0 });
      return [branch(0), branch(1)];
    }
    values() {
      const reader = this.getReader();
      let over = false;
      return {
        async next() {
          if (over) return { done: true, value: undefined };
          const result = await reader.read();
          if (result.done) { over = true; reader.releaseLock(); }
          return result;
        },
        async return(value) {
          if (!over) {
            over = true;
            await reader.cancel(value);
            reader.releaseLock();
          }
          return { done: true, value };
        },
        [Symbol.asyncIterator]() { return this; },
      };
    }
    [Symbol.asyncIterator]() { return this.values(); }
    get [Symbol.toStringTag]() { return 'ReadableStream'; }
  }

  class ReadableStreamDefaultReader {
    #s; #closed;
    constructor(stream) {
      const s = readState(stream);
      if (s.reader) throw new TypeError('the stream is locked to another reader');
      this.#s = s;
      s.reader = this;
      s.closed = this.#closed = deferred();
      if (s.state === 'closed') s.closed.resolve(undefined);
      if (s.state === 'errored') s.closed.reject(s.error);
    }
    get closed() { return this.#closed.promise; }
    read() {
      const s = this.#s;
      if (!s) return Promise.reject(new TypeError('the reader has released its stream'));
      if (s.state === 'errored') return Promise.reject(s.error);
      if (s.state === 'closed') return Promise.resolve({ done: true, value: undefined });
      if (s.queue.length > 0) {
        const { chunk, size } = s.queue.shift();
        s.total -= size;
        if (s.closing && s.queue.length === 0) finishRead(s);
        else pullIfWanted(s);
        return Promise.resolve({ done: false, value: chunk });
      }
      return new Promise((resolve, reject) => { s.waiting.push({ resolve, reject }); pullIfWanted(s); });
    }
    cancel(reason) {
      return this.#s ? cancelRead(this.#s, reason) : Promise.reject(new TypeError('the reader has released its stream'));
    }
    releaseLock() {
      const s = this.#s;
      if (!s) return;
      const error = new TypeError('the reader has released its stream');
      for (const r of s.waiting.splice(0)) r.reject(error);
      if (s.state === 'readable') this.#closed.reject(error);
      else { this.#closed = deferred(); this.#closed.reject(error); }
      s.reader = s.closed = null;
      this.#s = null;
    }
  }

  // --- writing ---

  const writeStates = new WeakMap();
  const writeState = (stream) => {
    const s = writeStates.get(stream);
    if (!s) throw new TypeError('a WritableStream was expected');
    return s;
  };
  const failWrite = (s, error) => {
    if (s.state !== 'writable' && s.state !== 'closing') return;
    s.state = 'errored'; s.error = error; s.total = 0;
    for (const w of s.queue.splice(0)) w.done.reject(error);
    s.ready.reject(error);
    s.ready = deferred();
    s.ready.reject(error);
    s.closed.reject(error);
    s.abortSignal.aborted = true;
  };
  const pump = (s) => {
    if (!s.started || s.busy || s.queue.length === 0) return;
    const w = s.queue.shift();
    s.busy = true;
    later(w.close ? s.close : s.write, ...(w.close ? [] : [w.chunk, s.controller])).then(() => {
      s.busy = false;
      w.done.resolve(undefined);
      if (s.state === 'errored') return;
      if (w.close) { s.state = 'closed'; s.ready.resolve(undefined); s.closed.resolve(undefined); return; }
      s.total -= w.size;
      if (s.mark - s.total > 0) s.ready.resolve(undefined);
      pump(s);
    }, (e) => { s.busy = false; w.done.reject(e); failWrite(s, e); });
  };
  const closeWrite = (s) => {
    if (s.state !== 'writable') return Promise.reject(new TypeError(`the stream is ${s.state}`));
    s.state = 'closing';
    const done = deferred();
    s.queue.push({ close: true, size: 0, done });
    pump(s);
    return done.promise;
  };
  const abortWrite = (s, reason) => {
    if (s.state === 'closed' || s.state === 'errored') return Promise.resolve(undefined);
    failWrite(s, reason);
    return later(s.abort, reason).then(() => undefined);
  };

  class WritableStreamDefaultController {
    #s;
    constructor(s, secret) { if (secret !== SECRET) throw new TypeError('not to be constructed'); this.#s = s; }
    get signal() { return this.#s.abortSignal; }
    error(reason) { failWrite(this.#s, reason); }
  }

  class WritableStream {
    constructor(sink = {}, strategy = {}) {
      if (sink === null || typeof sink !== 'object') throw new TypeError('the underlying sink must be an object');
      if (sink.type !== undefined) throw new RangeError('a sink has no type');
      const s = { state: 'writable', queue: [], total: 0, started: false, busy: false, writer: null, error: undefined,
        ready: deferred(), closed: deferred(), abortSignal: { aborted: false }, mark: markOf(strategy, 1), size: sizeOf(strategy),
        write: method(sink, 'write'), close: method(sink, 'close'), abort: method(sink, 'abort') };
      if (s.mark > 0) s.ready.resolve(undefined);
      s.controller = new WritableStreamDefaultController(s, SECRET);
      writeStates.set(this, s);
      const begun = method(sink, 'start')?.(s.controller);
      Promise.resolve(begun).then(() => { s.started = true; pump(s); }, (e) => failWrite(s, e));
    }
    get locked() { return writeState(this).writer !== null; }
    getWriter() { return new WritableStreamDefaultWriter(this); }
    close() { return this.locked ? Promise.reject(new TypeError('a locked stream is closed by its writer')) : closeWrite(writeState(this)); }
    abort(reason) { return this.locked ? Promise.reject(new TypeError('a locked stream is aborted by its writer')) : abortWrite(writeState(this), reason); }
    get [Symbol.toStringTag]() { return 'WritableStream'; }
  }

  class WritableStreamDefaultWriter {
    #s;
    constructor(stream) {
      const s = writeState(stream);
      if (s.writer) throw new TypeError('the stream is locked to another writer');
      this.#s = s;
      s.writer = this;
    }
    #need() { if (!this.#s) throw new TypeError('the writer has released its stream'); return this.#s; }
    get closed() { return this.#s ? this.#s.closed.promise : Promise.reject(new TypeError('the writer has released its stream')); }
    get ready() { return this.#s ? this.#s.ready.promise : Promise.reject(new TypeError('the writer has released its stream')); }
    get desiredSize() { const s = this.#need(); return s.state === 'errored' ? null : s.state === 'closed' ? 0 : s.mark - s.total; }
    async write(chunk) {
      const s = this.#need();
      if (s.state === 'errored') throw s.error;
      if (s.state !== 'writable') throw new TypeError(`the stream is ${s.state}`);
      let size;
      try { size = s.size(chunk); } catch (e) { failWrite(s, e); throw e; }
      const before = s.mark - s.total > 0;
      s.total += size;
      if (before && s.mark - s.total <= 0) s.ready = deferred();
      const done = deferred();
      s.queue.push({ chunk, size, done });
      pump(s);
      return done.promise;
    }
    async close() { return closeWrite(this.#need()); }
    async abort(reason) { return abortWrite(this.#need(), reason); }
    releaseLock() { if (this.#s) { this.#s.writer = null; this.#s = null; } }
  }

  // A stream of what the host's reader gives; it is asked only when the script asks.
  const fromReader = (reader, started = () => {}) => new ReadableStream({
    start: started,
    async pull(c) {
      const bytes = await reader.read();
      if (bytes === undefined) c.close();
      else c.enqueue(bytes);
    },
    cancel() { reader.stop(false); },
  }, { highWaterMark: 0 });

  const all = { ReadableStream, ReadableStreamDefaultReader, CountQueuingStrategy, WritableStream, WritableStreamDefaultWriter };
  return Object.defineProperty(all, 'fromReader', { value: fromReader });
})
