// fetch() with Headers, Request and Response, over k6's HTTP client. What a browser decides by its
// page (CORS, credentials, caches) has no meaning here; the VU's cookie jar is used unless
// `credentials: 'omit'` is given. Beyond the standard, `init` may hold k6's params: tags, timeout,
// auth, cookies, jar, proxy, compression, responseCallback.
(function (native) {
  'use strict';

  const { streams } = native;
  const { ReadableStream, fromReader } = streams;
  const K6_PARAMS = ['tags', 'timeout', 'auth', 'cookies', 'jar', 'proxy', 'compression', 'responseCallback'];
  const NULL_BODY = [101, 103, 204, 205, 304];
  const REDIRECTS = [301, 302, 303, 307, 308];
  const MAX_REDIRECTS = 20; // the standard's

  // --- Headers ---

  const nameOf = (name) => {
    const text = String(name);
    if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(text)) throw new TypeError(`Headers: invalid name '${text}'`);
    return text.toLowerCase();
  };
  const valueOf = (value) => {
    const text = String(value).replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, '');
    if (/[\0\r\n]/.test(text)) throw new TypeError('Headers: a value may have no line break in it');
    return text;
  };

  class Headers {
    #list = new Map(); // lower-case name → values
    constructor(init) {
      if (init === undefined || init === null) return;
      if (typeof init !== 'object') throw new TypeError('Headers takes an object, a list of pairs or Headers');
      if (typeof init[Symbol.iterator] === 'function') {
        for (const pair of init) {
          const [...both] = pair;
          if (both.length !== 2) throw new TypeError('Headers: each entry of a list is a pair of name and value');
          this.append(both[0], both[1]);
        }
      } else for (const name of Object.keys(init)) this.append(name, init[name]);
    }
    append(name, value) {
      const key = nameOf(name);
      if (this.#list.has(key)) this.#list.get(key).push(valueOf(value));
      else this.#list.set(key, [valueOf(value)]);
    }
    set(name, value) { this.#list.set(nameOf(name), [valueOf(value)]); }
    delete(name) { this.#list.delete(nameOf(name)); }
    get(name) { return this.#list.get(nameOf(name))?.join(', ') ?? null; }
    has(name) { return this.#list.has(nameOf(name)); }
    getSetCookie() { return [...(this.#list.get('set-cookie') ?? [])]; }
    #entries() {
      return [...this.#list.keys()].sort()
        .flatMap((key) => (key === 'set-cookie' ? this.#list.get(key).map((v) => [key, v]) : [[key, this.get(key)]]));
    }
    forEach(fn, thisArg) { for (const [k, v] of this.#entries()) fn.call(thisArg, v, k, this); }
    keys() { return this.#entries().map((e) => e[0]).values(); }
    values() { return this.#entries().map((e) => e[1]).values(); }
    entries() { return this.#entries().values(); }
    [Symbol.iterator]() { return this.entries(); }
    get [Symbol.toStringTag]() { return 'Headers'; }
  }

  // --- bodies ---

  // {bytes or stream, type} of what a script gives as a body.
  const bodyOf = (body) => {
    if (body === undefined || body === null) return null;
    if (body instanceof ReadableStream) {
      if (body.locked) throw new TypeError('the body is a stream that is locked');
      return { stream: body, type: null };
    }
    if (ArrayBuffer.isView(body)) return { bytes: new Uint8Array(body.buffer, body.byteOffset, body.byteLength).slice(), type: null };
    if (body instanceof ArrayBuffer) return { bytes: new Uint8Array(body).slice(), type: null };
    if (body instanceof URLSearchParams) return { bytes: new TextEncoder().encode(body.toString()), type: 'application/x-www-form-urlencoded;charset=UTF-8' };
    if (typeof body.arrayBuffer === 'function' && typeof body.size === 'number') { // a Blob
      return { stream: once(() => body.arrayBuffer().then((b) => new Uint8Array(b))), type: body.type || null };
    }
    return { bytes: new TextEncoder().encode(String(body)), type: 'text/plain;charset=UTF-8' };
  };
  const once = (make) => new ReadableStream({ async pull(c) { const chunk = await make(); if (chunk.length) c.enqueue(chunk); c.close(); } }, { highWaterMark: 0 });
  const collect = async (stream) => {
    const chunks = [];
    let size = 0;
    for await (const chunk of stream) {
      const bytes = typeof chunk === 'string' ? new TextEncoder().encode(chunk) : chunk;
      if (!(bytes instanceof Uint8Array)) throw new TypeError('a body\'s stream must give Uint8Arrays');
      chunks.push(bytes);
      size += bytes.length;
    }
    if (chunks.length === 1) return chunks[0];
    const all = new Uint8Array(size);
    let at = 0;
    for (const chunk of chunks) { all.set(chunk, at); at += chunk.length; }
    return all;
  };

  // What Request and Response share. #content: null, or {bytes} or {stream}.
  class Body {
    #content; #used = false; #stream = null;
    constructor(content) { this.#content = content; }
    get body() {
      if (!this.#content) return null;
      const { stream, bytes } = this.#content;
      this.#stream ??= stream ?? once(() => bytes);
      return this.#stream;
    }
    get bodyUsed() { return this.#used || Boolean(this.#stream?.locked); }
    async #take() {
      if (this.bodyUsed) throw new TypeError('the body was read already');
      if (!this.#content) return new Uint8Array(0);
      this.#used = true;
      return this.#content.bytes && !this.#stream ? this.#content.bytes : collect(this.body);
    }
    // For fetch: the bytes at once where there are any.
    static take(from) {
      if (!from.#content || from.#content.stream || from.#stream || from.#used) return from.#content ? from.#take() : undefined;
      from.#used = true;
      return from.#content.bytes;
    }
    static split(from) {
      if (from.bodyUsed) throw new TypeError('the body was read already: it can\'t be cloned');
      if (!from.#content || (from.#content.bytes && !from.#stream)) return from.#content;
      const [mine, other] = from.body.tee();
      from.#content = { stream: mine };
      from.#stream = mine;
      return { stream: other };
    }
    async bytes() { return this.#take(); }
    async arrayBuffer() {
      const bytes = await this.#take();
      return bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer;
    }
    async text() { return new TextDecoder().decode(await this.#take()); }
    async json() { return JSON.parse(await this.text()); }
    async blob() {
      if (typeof globalThis.Blob !== 'function') throw new TypeError('blob() needs a Blob: put the one of k6/websockets in globalThis.Blob, or use arrayBuffer()');
      return new globalThis.Blob([await this.arrayBuffer()], { type: this.headers.get('content-type') ?? '' });
    }
  }

  // --- Request ---

  const oneOf = (what, value, all) => {
    if (!all.includes(value)) throw new TypeError(`Request: ${what} '${value}' is none of ${all.join(', ')}`);
    return value;
  };
  const methodOf = (method) => {
    const text = String(method);
    if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(text)) throw new TypeError(`Request: invalid method '${text}'`);
    const upper = text.toUpperCase();
    return ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH'].includes(upper) ? upper : text;
  };

  const k6Params = new WeakMap();
  class Request extends Body {
    #url; #method; #headers; #redirect; #credentials; #signal;
    constructor(input, init = {}) {
      const from = input instanceof Request ? input : null;
      const url = from ? from.url : new URL(input).href;
      init ??= {};
      if (typeof init !== 'object') throw new TypeError('the second argument of Request and fetch must be an object');
      const method = methodOf(init.method ?? from?.method ?? 'GET');
      const given = bodyOf(init.body);
      if (given && (method === 'GET' || method === 'HEAD')) throw new TypeError(`Request: a ${method} has no body`);
      super(given ?? (from && method !== 'GET' && method !== 'HEAD' ? Body.split(from) : null));
      this.#url = url;
      this.#method = method;
      this.#headers = new Headers(init.headers ?? from?.headers);
      if (given?.type && !this.#headers.has('content-type')) this.#headers.set('content-type', given.type);
      this.#redirect = oneOf('redirect', init.redirect ?? from?.redirect ?? 'follow', ['follow', 'manual', 'error']);
      this.#credentials = oneOf('credentials', init.credentials ?? from?.credentials ?? 'same-origin', ['omit', 'same-origin', 'include']);
      this.#signal = init.signal === undefined ? from?.signal ?? null : init.signal;
      if (this.#signal !== null && !(this.#signal instanceof AbortSignal)) throw new TypeError('Request: signal must be an AbortSignal');
      const params = { ...(from ? k6Params.get(from) : {}) };
      for (const key of K6_PARAMS) if (init[key] !== undefined) params[key] = init[key];
      k6Params.set(this, params);
    }
    get url() { return this.#url; }
    get method() { return this.#method; }
    get headers() { return this.#headers; }
    get redirect() { return this.#redirect; }
    get credentials() { return this.#credentials; }
    get signal() { return this.#signal; }
    clone() { return new Request(this); }
    get [Symbol.toStringTag]() { return 'Request'; }
  }

  // --- Response ---

  const HIDDEN = {};
  class Response extends Body {
    #status; #statusText; #headers; #url = ''; #redirected = false; #type = 'default';
    constructor(body = null, init = {}, hidden = undefined) {
      const given = hidden?.key === HIDDEN ? hidden.content : bodyOf(body);
      const status = Number(init?.status ?? 200);
      if (!hidden && !(status >= 200 && status <= 599)) throw new RangeError(`Response: status ${init.status} is not between 200 and 599`);
      if (!hidden && given && NULL_BODY.includes(status)) throw new TypeError(`Response: a ${status} has no body`);
      super(given);
      this.#status = status;
      this.#statusText = String(init?.statusText ?? '');
      this.#headers = new Headers(init?.headers);
      if (given?.type && !this.#headers.has('content-type')) this.#headers.set('content-type', given.type);
      if (hidden?.key === HIDDEN) { this.#url = hidden.url; this.#redirected = hidden.redirected; this.#type = hidden.type; }
    }
    get status() { return this.#status; }
    get statusText() { return this.#statusText; }
    get ok() { return this.#status >= 200 && this.#status <= 299; }
    get headers() { return this.#headers; }
    get url() { return this.#url; }
    get redirected() { return this.#redirected; }
    get type() { return this.#type; }
    clone() {
      const hidden = { key: HIDDEN, content: Body.split(this), url: this.#url, redirected: this.#redirected, type: this.#type };
      return new Response(null, { status: this.#status, statusText: this.#statusText, headers: this.#headers }, hidden);
    }
    static error() { return new Response(null, { status: 0 }, { key: HIDDEN, content: null, url: '', redirected: false, type: 'error' }); }
    static json(data, init = {}) {
      const headers = new Headers(init?.headers);
      if (!headers.has('content-type')) headers.set('content-type', 'application/json');
      return new Response(JSON.stringify(data), { ...init, headers });
    }
    static redirect(url, status = 302) {
      if (!REDIRECTS.includes(status)) throw new RangeError(`Response.redirect: ${status} is no redirect`);
      return new Response(null, { status, headers: { location: new URL(url).href } });
    }
    get [Symbol.toStringTag]() { return 'Response'; }
  }

  // --- fetch ---

  const failure = (error) => new TypeError(`fetch failed: ${error?.message ?? error}`, { cause: error });
  const paramsOf = (request) => {
    const params = { timeout: 0, ...k6Params.get(request), headers: {}, responseType: 'stream', throw: true };
    for (const [name, value] of request.headers) params.headers[name] = value;
    params.redirects = request.redirect === 'follow' ? MAX_REDIRECTS : 0;
    if (request.credentials === 'omit') params.jar = null;
    return params;
  };

  // What the client answered, as a Response; `fail` is told how to stop the body with an error.
  const responseOf = (request, answer, onEnd) => {
    const said = native.describe(answer);
    const pairs = [];
    for (let i = 0; i < said.headers.length; i += 2) pairs.push([said.headers[i], said.headers[i + 1]]);
    const isNull = request.method === 'HEAD' || NULL_BODY.includes(answer.status);
    const isRedirect = REDIRECTS.includes(answer.status) && pairs.some(([name]) => name === 'Location');
    let stop = () => {};
    if (request.redirect !== 'manual' && isRedirect && (request.redirect === 'error' || said.tooManyRedirects)) {
      said.reader.stop(false);
      throw new TypeError(`fetch failed: ${said.tooManyRedirects ? `more than ${MAX_REDIRECTS} redirects` : 'a redirect, which redirect: \'error\' forbids'}`);
    }
    let content = null;
    if (isNull) onEnd();
    else {
      const reader = { read: () => readThen(said.reader, onEnd), stop(failed) { onEnd(); said.reader.stop(failed); } };
      content = { stream: fromReader(reader, (c) => { stop = (reason) => { said.reader.stop(true); c.error(reason); }; }) };
    }
    const init = { status: answer.status, statusText: answer.status_text.replace(/^\d+ ?/, ''), headers: pairs };
    const response = new Response(null, init, { key: HIDDEN, content, url: answer.url.replace(/#.*$/, ''), redirected: answer.url !== request.url && request.redirect === 'follow', type: 'basic' });
    return { response, stop };
  };
  const readThen = async (reader, onEnd) => {
    let bytes;
    try { bytes = await reader.read(); } catch (e) { onEnd(); throw failure(e); }
    if (bytes === undefined) onEnd();
    return bytes;
  };

  const send = (request, body) => new Promise((resolve, reject) => {
    const { signal } = request;
    const sending = native.send(request.method, request.url, body, paramsOf(request));
    let stop = () => { sending.abort(); };
    const onAbort = () => { reject(signal.reason); stop(signal.reason); };
    const onEnd = () => signal?.removeEventListener('abort', onAbort);
    signal?.addEventListener('abort', onAbort);
    sending.promise.then((answer) => {
      if (answer === undefined) return; // aborted
      const made = responseOf(request, answer, onEnd);
      stop = made.stop;
      resolve(made.response);
    }).catch((e) => { onEnd(); reject(e instanceof TypeError ? e : failure(e)); });
  });

  function fetch(input, init = undefined) {
    try {
      const request = new Request(input, init);
      request.signal?.throwIfAborted();
      const body = Body.take(request);
      return body instanceof Promise ? body.then((bytes) => send(request, bytes)) : send(request, body);
    } catch (e) {
      return Promise.reject(e);
    }
  }

  return { fetch, Headers, Request, Response };
})
