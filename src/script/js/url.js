// URL and URLSearchParams as the WHATWG URL standard has them, for http, https, ws, wss and others.
(function () {
  'use strict';

  const DEFAULT_PORTS = { 'http:': '80', 'https:': '443', 'ws:': '80', 'wss:': '443', 'ftp:': '21' };
  const isSpecial = (protocol) => protocol in DEFAULT_PORTS || protocol === 'file:';

  // Bytes of a text that stay as they are, by the standard's percent-encode sets.
  const encodeWith = (text, keep) => {
    let out = '';
    for (const ch of text) out += keep.test(ch) ? ch : encodeURIComponent(ch.isWellFormed && !ch.isWellFormed() ? '\ufffd' : ch).replace(/[!'()*]/g, (c) => '%' + c.charCodeAt(0).toString(16).toUpperCase());
    return out;
  };
  const PATH = /[\x21\x24-\x3b\x3d\x40-\x5a\x5b-\x5d\x5f\x61-\x7a\x7c\x7e%]/;
  const QUERY = /[\x21\x24-\x26\x28-\x3b\x3d\x3f-\x7e%]/;
  const SPECIAL_QUERY = /[\x21\x24-\x26\x28-\x3b\x3d\x3f-\x7e%]/;
  const FRAGMENT = /[\x21\x23-\x3b\x3d\x3f-\x5f\x61-\x7e%]/;
  const USERINFO = /[\x21\x24-\x2e\x30-\x39\x41-\x5a\x5f\x61-\x7a\x7e%]/;

  const decodeForm = (text) => {
    const bytes = text.replace(/\+/g, ' ');
    try { return decodeURIComponent(bytes); } catch { return bytes.replace(/(?:%[0-9a-f]{2})+/gi, (run) => { try { return decodeURIComponent(run); } catch { return run.replace(/%../g, '\ufffd'); } }); }
  };
  const encodeForm = (text) => encodeURIComponent(String(text)).replace(/[!'()~]/g, (c) => '%' + c.charCodeAt(0).toString(16).toUpperCase()).replace(/%20/g, '+');

  class URLSearchParams {
    #list = [];
    #changed = () => {};

    constructor(init = '') {
      if (init !== null && typeof init === 'object') {
        if (typeof init[Symbol.iterator] === 'function') {
          for (const pair of init) {
            const both = [...pair];
            if (both.length !== 2) throw new TypeError('URLSearchParams: each pair must have a name and a value');
            this.#list.push([String(both[0]), String(both[1])]);
          }
        } else {
          for (const key of Object.keys(init)) this.#list.push([key, String(init[key])]);
        }
      } else {
        this.#parse(String(init));
      }
    }
    static of(query, changed) {
      const params = new URLSearchParams(query);
      params.#changed = changed;
      return params;
    }
    static replace(params, query) {
      params.#list = [];
      params.#parse(query);
    }
    #parse(text) {
      if (text.startsWith('?')) text = text.slice(1);
      for (const part of text.split('&')) {
        if (!part) continue;
        const at = part.indexOf('=');
        this.#list.push(at < 0 ? [decodeForm(part), ''] : [decodeForm(part.slice(0, at)), decodeForm(part.slice(at + 1))]);
      }
    }
    get size() { return this.#list.length; }
    append(name, value) { this.#list.push([String(name), String(value)]); this.#changed(); }
    delete(name, value) {
      name = String(name);
      this.#list = this.#list.filter(([k, v]) => k !== name || (value !== undefined && v !== String(value)));
      this.#changed();
    }
    get(name) { const found = this.#list.find(([k]) => k === String(name)); return found ? found[1] : null; }
    getAll(name) { return this.#list.filter(([k]) => k === String(name)).map(([, v]) => v); }
    has(name, value) { return this.#list.some(([k, v]) => k === String(name) && (value === undefined || v === String(value))); }
    set(name, value) {
      name = String(name);
      const at = this.#list.findIndex(([k]) => k === name);
      if (at < 0) this.#list.push([name, String(value)]);
      else {
        this.#list[at] = [name, String(value)];
        this.#list = this.#list.filter(([k], i) => i <= at || k !== name);
      }
      this.#changed();
    }
    sort() { this.#list.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)); this.#changed(); }
    forEach(fn, self) { for (const [k, v] of this.#list) fn.call(self, v, k, this); }
    *entries() { for (const [k, v] of this.#list) yield [k, v]; }
    *keys() { for (const [k] of this.#list) yield k; }
    *values() { for (const [, v] of this.#list) yield v; }
    [Symbol.iterator]() { return this.entries(); }
    toString() { return this.#list.map(([k, v]) => `${encodeForm(k)}=${encodeForm(v)}`).join('&'); }
    get [Symbol.toStringTag]() { return 'URLSearchParams'; }
  }

  const parseIPv4 = (host) => {
    const parts = host.split('.');
    if (parts[parts.length - 1] === '' && parts.length > 1) parts.pop();
    if (!/^(?:0x[0-9a-f]*|\d+)$/i.test(parts[parts.length - 1])) return null;
    const numbers = parts.map((p) => (/^0x[0-9a-f]*$/i.test(p) ? parseInt(p.slice(2) || '0', 16) : /^0[0-7]*$/.test(p) ? parseInt(p, 8) : /^\d+$/.test(p) ? parseInt(p, 10) : NaN));
    if (parts.length > 4 || numbers.some((n) => Number.isNaN(n)) || numbers.slice(0, -1).some((n) => n > 255) || numbers[numbers.length - 1] >= 256 ** (5 - numbers.length)) throw new TypeError('Invalid URL: bad IPv4 address');
    let value = numbers.pop();
    numbers.forEach((n, i) => { value += n * 256 ** (3 - i); });
    return [24, 16, 8, 0].map((s) => Math.floor(value / 2 ** s) % 256).join('.');
  };

  const parseIPv6 = (text) => {
    const bad = () => { throw new TypeError('Invalid URL: bad IPv6 address'); };
    let tail = [];
    const v4 = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
    if (v4) {
      const n = v4[2].split('.').map(Number);
      if (n.some((x) => x > 255)) bad();
      tail = [n[0] * 256 + n[1], n[2] * 256 + n[3]];
      text = v4[1].endsWith('::') ? v4[1] : v4[1].slice(0, -1);
    }
    const halves = text.split('::');
    if (halves.length > 2) bad();
    const words = (s) => (s === '' ? [] : s.split(':').map((w) => (/^[0-9a-f]{1,4}$/i.test(w) ? parseInt(w, 16) : bad())));
    const left = words(halves[0]);
    const right = [...(halves.length === 2 ? words(halves[1]) : []), ...tail];
    const all = halves.length === 2 ? [...left, ...Array(Math.max(0, 8 - left.length - right.length)).fill(0), ...right] : [...left, ...tail];
    if (all.length !== 8) bad();
    // The longest run of zeros, two at least, is written as "::" (RFC 5952).
    let best = [-1, 1];
    for (let i = 0; i < 8; i++) {
      let n = 0;
      while (i + n < 8 && all[i + n] === 0) n++;
      if (n > best[1]) best = [i, n];
    }
    const hex = (list) => list.map((w) => w.toString(16)).join(':');
    return best[0] < 0 ? `[${hex(all)}]` : `[${hex(all.slice(0, best[0]))}::${hex(all.slice(best[0] + best[1]))}]`;
  };

  const parseHost = (host, special) => {
    if (host.startsWith('[')) {
      if (!host.endsWith(']')) throw new TypeError('Invalid URL: ] is missing');
      return parseIPv6(host.slice(1, -1));
    }
    if (!special) {
      if (/[\0\t\n\r #/<>?@[\\\]^|]/.test(host)) throw new TypeError('Invalid URL: bad character in host');
      return encodeWith(host, /[\x21-\x7e]/);
    }
    let name;
    try { name = decodeURIComponent(host).toLowerCase(); } catch { throw new TypeError('Invalid URL: bad host'); }
    if (name === '' || /[\0-\x20"#%/:<>?@[\\\]^`{|}\x7f]/.test(name)) throw new TypeError('Invalid URL: bad host');
    return parseIPv4(name) ?? name;
  };

  const removeDots = (path) => {
    const out = [];
    const parts = path.split('/').slice(1);
    parts.forEach((part, i) => {
      const plain = part.replace(/%2e/gi, '.');
      const last = i === parts.length - 1;
      if (plain === '..') { out.pop(); if (last) out.push(''); } else if (plain === '.') { if (last) out.push(''); } else out.push(part);
    });
    return '/' + out.join('/');
  };

  // The record that a URL object stands for.
  const parse = (input, base) => {
    let text = String(input).replace(/^[\0-\x20]+|[\0-\x20]+$/g, '').replace(/[\t\n\r]/g, '');
    const u = { protocol: '', username: '', password: '', host: null, port: '', path: '', query: null, fragment: null, opaque: false };
    const hash = text.indexOf('#');
    if (hash >= 0) { u.fragment = encodeWith(text.slice(hash + 1), FRAGMENT); text = text.slice(0, hash); }
    const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text);
    if (scheme) {
      u.protocol = scheme[1].toLowerCase() + ':';
      text = text.slice(scheme[0].length);
      if (base && base.protocol === u.protocol && isSpecial(u.protocol) && !/^[\\/]/.test(text)) return relative(u, text, base);
    } else {
      if (!base) throw new TypeError(`Invalid URL: ${input}`);
      if (base.opaque && (text !== '' || hash < 0)) throw new TypeError(`Invalid URL: ${input}`);
      u.protocol = base.protocol;
      return relative(u, text, base);
    }
    return absolute(u, text, input);
  };

  const takeQuery = (u, text) => {
    const at = text.indexOf('?');
    if (at < 0) return text;
    u.query = encodeWith(text.slice(at + 1), isSpecial(u.protocol) ? SPECIAL_QUERY : QUERY);
    return text.slice(0, at);
  };

  const takeAuthority = (u, text) => {
    const special = isSpecial(u.protocol);
    const end = text.search(special ? /[/\\?]/ : /[/?]/);
    let authority = end < 0 ? text : text.slice(0, end);
    const at = authority.lastIndexOf('@');
    if (at >= 0) {
      const [user, ...rest] = authority.slice(0, at).split(':');
      u.username = encodeWith(user, USERINFO);
      u.password = encodeWith(rest.join(':'), USERINFO);
      authority = authority.slice(at + 1);
    }
    const port = /:(\d*)$/.exec(authority);
    if (port && !/\[[^\]]*$/.test(authority.slice(0, port.index))) {
      if (Number(port[1]) > 65535) throw new TypeError('Invalid URL: port above 65535');
      u.port = port[1] === '' || DEFAULT_PORTS[u.protocol] === String(Number(port[1])) ? '' : String(Number(port[1]));
      authority = authority.slice(0, port.index);
    } else if (/:[^\]]*$/.test(authority) && !authority.endsWith(']')) throw new TypeError('Invalid URL: bad port');
    u.host = authority === '' && (!special || u.protocol === 'file:') ? '' : parseHost(authority, special);
    return end < 0 ? '' : text.slice(end);
  };

  const setPath = (u, path) => {
    if (isSpecial(u.protocol)) path = path.replace(/\\/g, '/');
    path = encodeWith(path, PATH);
    u.path = path === '' && !isSpecial(u.protocol) ? '' : removeDots(path.startsWith('/') ? path : '/' + path);
  };

  const absolute = (u, text, input) => {
    const special = isSpecial(u.protocol);
    const slashes = special ? /^[\\/]*/.exec(text)[0] : /^(\/\/)?/.exec(text)[0];
    if (special && u.protocol !== 'file:') {
      if (slashes.length === 0 && text === '') throw new TypeError(`Invalid URL: ${input}`);
      text = takeAuthority(u, text.slice(slashes.length));
    } else if (slashes.length >= 2) {
      text = takeAuthority(u, text.slice(2));
    } else if (u.protocol === 'file:') u.host = '';
    else if (!text.startsWith('/')) {
      u.opaque = true;
      u.path = encodeWith(takeQuery(u, text), /[\x20-\x7e]/);
      return u;
    }
    setPath(u, takeQuery(u, text));
    return u;
  };

  const relative = (u, text, base) => {
    const special = isSpecial(u.protocol);
    if (special ? /^[\\/]{2}/.test(text) : text.startsWith('//')) return absolute(u, text, text);
    Object.assign(u, { username: base.username, password: base.password, host: base.host, port: base.port, opaque: base.opaque });
    const had = text.includes('?');
    const path = takeQuery(u, text);
    if (path === '') {
      u.path = base.path;
      if (!had) u.query = base.query;
    } else if (/^[\\/]/.test(path)) setPath(u, path);
    else setPath(u, base.path.slice(0, base.path.lastIndexOf('/') + 1) + path);
    return u;
  };

  class URL {
    #u;
    #params;

    constructor(input, base) {
      if (input === undefined) throw new TypeError('URL: 1 argument required');
      this.#u = parse(input, base === undefined ? null : parse(base, null));
      this.#params = URLSearchParams.of(this.#u.query ?? '', () => {
        const text = this.#params.toString();
        this.#u.query = text === '' ? null : text;
      });
    }
    static canParse(input, base) { try { new URL(input, base); return true; } catch { return false; } }
    static parse(input, base) { try { return new URL(input, base); } catch { return null; } }

    get href() {
      const u = this.#u;
      const credentials = u.username || u.password ? `${u.username}${u.password ? ':' + u.password : ''}@` : '';
      const authority = u.host === null ? (u.path.startsWith('//') ? '/.' : '') : `//${credentials}${this.host}`;
      return `${u.protocol}${authority}${u.path}${u.query !== null ? '?' + u.query : ''}${u.fragment !== null ? '#' + u.fragment : ''}`;
    }
    set href(value) { this.#u = parse(value, null); URLSearchParams.replace(this.#params, this.#u.query ?? ''); }
    get origin() { return this.#u.protocol in DEFAULT_PORTS ? `${this.#u.protocol}//${this.host}` : 'null'; }
    get protocol() { return this.#u.protocol; }
    set protocol(value) {
      const scheme = /^([a-z][a-z0-9+.-]*)/i.exec(String(value));
      if (!scheme || isSpecial(scheme[1].toLowerCase() + ':') !== isSpecial(this.#u.protocol)) return;
      this.#u.protocol = scheme[1].toLowerCase() + ':';
      if (this.#u.port === DEFAULT_PORTS[this.#u.protocol]) this.#u.port = '';
    }
    get username() { return this.#u.username; }
    set username(value) { if (this.#u.host) this.#u.username = encodeWith(String(value), USERINFO); }
    get password() { return this.#u.password; }
    set password(value) { if (this.#u.host) this.#u.password = encodeWith(String(value), USERINFO); }
    get host() { return this.#u.host === null ? '' : this.#u.host + (this.#u.port ? ':' + this.#u.port : ''); }
    set host(value) { this.#change(() => { const c = { ...this.#u, port: '' }; takeAuthority(c, String(value).replace(/[/?#\\].*$/, '')); this.#u.host = c.host; if (/:\d/.test(value)) this.#u.port = c.port; }); }
    get hostname() { return this.#u.host ?? ''; }
    set hostname(value) { this.#change(() => { this.#u.host = parseHost(String(value).replace(/[/?#\\].*$/, ''), isSpecial(this.#u.protocol)); }); }
    get port() { return this.#u.port; }
    set port(value) {
      const digits = /^\d*/.exec(String(value))[0];
      if (this.#u.host && (digits !== '' || value === '') && Number(digits) <= 65535) this.#u.port = digits === '' || DEFAULT_PORTS[this.#u.protocol] === String(Number(digits)) ? '' : String(Number(digits));
    }
    get pathname() { return this.#u.path; }
    set pathname(value) { if (!this.#u.opaque) setPath(this.#u, String(value)); }
    get search() { return this.#u.query ? '?' + this.#u.query : ''; }
    set search(value) {
      const text = String(value).replace(/^\?/, '');
      this.#u.query = text === '' ? null : encodeWith(text, QUERY);
      URLSearchParams.replace(this.#params, text);
    }
    get searchParams() { return this.#params; }
    get hash() { return this.#u.fragment ? '#' + this.#u.fragment : ''; }
    set hash(value) { const text = String(value).replace(/^#/, ''); this.#u.fragment = text === '' ? null : encodeWith(text, FRAGMENT); }
    #change(fn) { if (!this.#u.opaque) try { fn(); } catch { /* an invalid part changes nothing */ } }
    toString() { return this.href; }
    toJSON() { return this.href; }
    get [Symbol.toStringTag]() { return 'URL'; }
  }

  return { URL, URLSearchParams };
})
