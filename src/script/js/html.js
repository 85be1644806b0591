// k6/html: Selection and the element classes, over nodes of a parsed page that C holds (mod_html.c).
//
// A node is an opaque native object. Natives: parse(text); kind, name, order, attr, attrs, text, inner, outer, value of
// a node; step(node, how); find(nodes, selector), filter(nodes, selector); resolve(base, reference).
(function (native) {
  'use strict';
  const { kind, name, order, attr, attrs, text, inner, step, find, filter } = native;
  const ELEMENT = 1, TEXT = 2, DOCUMENT = 0;

  const unique = (nodes) => {
    const seen = new Set();
    return nodes.filter((n) => { const at = order(n); return seen.has(at) ? false : seen.add(at); }).sort((a, b) => order(a) - order(b));
  };
  const walk = (node, how) => { const out = []; for (let n = step(node, how); n; n = step(n, how)) out.push(n); return out; };
  const until = (node, how, stop) => { const out = []; for (let n = step(node, how); n && !stop(n); n = step(n, how)) out.push(n); return out; };
  const childNodes = (node) => { const first = step(node, 'firstChild'); return first ? [first, ...walk(first, 'nextSibling')] : []; };
  const childElements = (node) => { const first = step(node, 'firstElement'); return first ? [first, ...walk(first, 'nextElement')] : []; };
  const matches = (node, selector) => filter([node], selector).length === 1;
  const given = (selector) => selector !== undefined && selector !== null && selector !== '';

  // --- values of form fields ---------------------------------------------------------------------
  const isOption = (n) => name(n) === 'option';
  const optionValue = (n) => attr(n, 'value') ?? text([n]).trim();
  const optionsOf = (n) => find([n], 'option');
  const valueOf = (n) => {
    switch (name(n)) {
      case 'textarea': return text([n]);
      case 'option': return optionValue(n);
      case 'select': {
        const chosen = optionsOf(n).filter((o) => attr(o, 'selected') !== undefined);
        if (attr(n, 'multiple') !== undefined) return chosen.map(optionValue);
        if (chosen.length) return optionValue(chosen[chosen.length - 1]);
        const first = optionsOf(n)[0];
        return first ? optionValue(first) : undefined;
      }
      default: return attr(n, 'value');
    }
  };

  // What a browser would send of a form: named, enabled, checked or chosen, and no buttons.
  const submittable = (nodes) => {
    const fields = [];
    for (const n of nodes) fields.push(...(name(n) === 'form' || !['input', 'select', 'textarea', 'button', 'keygen'].includes(name(n)) ? find([n], 'input, select, textarea, keygen') : [n]));
    const out = [];
    for (const n of unique(fields)) {
      const key = attr(n, 'name');
      const type = (attr(n, 'type') ?? '').toLowerCase();
      if (!key || attr(n, 'disabled') !== undefined || name(n) === 'button') continue;
      if (name(n) === 'input' && ['submit', 'button', 'reset', 'image', 'file'].includes(type)) continue;
      if (name(n) === 'input' && (type === 'checkbox' || type === 'radio')) {
        if (attr(n, 'checked') !== undefined) out.push({ name: key, value: attr(n, 'value') ?? 'on' });
        continue;
      }
      const value = valueOf(n);
      if (Array.isArray(value)) value.forEach((v) => out.push({ name: key, value: v }));
      else out.push({ name: key, value: value ?? '' });
    }
    return out;
  };
  const formEncode = (s) => encodeURIComponent(s).replace(/[!'()~]/g, (c) => '%' + c.charCodeAt(0).toString(16).toUpperCase()).replace(/%20/g, '+');

  // jQuery's reading of data-* attributes.
  const dataValue = (s) => {
    if (s === 'true') return true;
    if (s === 'false') return false;
    if (s === 'null') return undefined;
    if (s !== '' && String(Number(s)) === s) return Number(s);
    if (/^(?:\{[\w\W]*\}|\[[\w\W]*\])$/.test(s)) { try { return JSON.parse(s); } catch { return s; } }
    return s;
  };
  const dataKey = (s) => s.replace(/[A-Z]/g, (c) => '-' + c.toLowerCase());
  const camel = (s) => s.replace(/-([a-z])/g, (_, c) => c.toUpperCase());

  // --- Selection ---------------------------------------------------------------------------------
  class Selection {
    #nodes;
    #previous;
    #base;
    constructor(nodes, base, previous) { this.#nodes = nodes; this.#base = base; this.#previous = previous; }
    static nodesOf(x) {
      if (x instanceof Selection) return x.#nodes;
      if (x instanceof Element) return [nodeOf(x)];
      return undefined;
    }
    #to(nodes) { return new Selection(nodes, this.#base, this); }
    #collect(fn, selector) {
      const nodes = unique(this.#nodes.flatMap(fn));
      return this.#to(given(selector) ? filter(nodes, String(selector)) : nodes);
    }
    #keep(what, wanted) {
      if (typeof what === 'function') return this.#to(this.#nodes.filter((n, i) => !!what(i, element(n, this.#base)) === wanted));
      const nodes = Selection.nodesOf(what) ?? filter(this.#nodes, String(what));
      const set = new Set(nodes.map(order));
      return this.#to(this.#nodes.filter((n) => set.has(order(n)) === wanted));
    }
    #stop(what) {
      if (!given(what)) return () => false;
      const nodes = Selection.nodesOf(what);
      if (!nodes) return (n) => matches(n, String(what));
      const set = new Set(nodes.map(order));
      return (n) => set.has(order(n));
    }

    add(what) {
      const root = this.#nodes.length ? [step(this.#nodes[0], 'document')] : [];
      return this.#to(unique([...this.#nodes, ...(Selection.nodesOf(what) ?? find(root, String(what)))]));
    }
    attr(key, def) { return this.#nodes.length ? attr(this.#nodes[0], String(key)) ?? def : def; }
    children(selector) { return this.#collect(childElements, selector); }
    closest(selector) { return this.#collect((n) => [n, ...walk(n, 'parentElement')].filter((x) => kind(x) === ELEMENT && matches(x, String(selector))).slice(0, 1)); }
    contents() { return this.#collect(childNodes); }
    data(key) {
      const n = this.#nodes[0];
      if (!n) return undefined;
      if (key !== undefined) { const value = attr(n, 'data-' + dataKey(String(key))); return value === undefined ? undefined : dataValue(value); }
      const out = {};
      for (const [k, v] of attrs(n)) if (k.startsWith('data-') && k.length > 5) out[camel(k.slice(5))] = dataValue(v);
      return out;
    }
    each(fn) {
      if (typeof fn !== 'function') throw new TypeError('the argument to each() must be a function');
      this.#nodes.forEach((n, i) => fn(i, element(n, this.#base)));
      return this;
    }
    end() { return this.#previous ?? this.#to([]); }
    eq(index) { const n = this.#nodes.at(Number(index)); return this.#to(n ? [n] : []); }
    filter(what) { return this.#keep(what, true); }
    find(what) {
      const others = Selection.nodesOf(what);
      if (!others) return this.#to(find(this.#nodes, String(what)));
      const own = new Set(this.#nodes.map(order));
      return this.#to(others.filter((n) => walk(n, 'parent').some((p) => own.has(order(p)))));
    }
    first() { return this.eq(0); }
    get(index) { const n = this.#nodes.at(Number(index)); return n ? element(n, this.#base) : undefined; }
    has(what) {
      const wanted = Selection.nodesOf(what);
      if (!wanted) return this.#to(this.#nodes.filter((n) => find([n], String(what)).length > 0));
      return this.#to(this.#nodes.filter((n) => wanted.some((w) => walk(w, 'parent').some((p) => order(p) === order(n)))));
    }
    // jQuery's, which k6 lacks.
    hasClass(name) { return this.#nodes.some((n) => (attr(n, 'class') ?? '').split(/\s+/).includes(String(name))); }
    html() { return this.#nodes.length ? inner(this.#nodes[0]) : undefined; }
    index(what) {
      const n = this.#nodes[0];
      if (!n) return -1;
      if (what === undefined) return walk(n, 'previousElement').length;
      const nodes = Selection.nodesOf(what);
      if (nodes) return nodes.length ? this.#nodes.findIndex((x) => order(x) === order(nodes[0])) : -1;
      return find([step(n, 'document')], String(what)).findIndex((x) => order(x) === order(n));
    }
    is(what) { return this.#keep(what, true).size() > 0; }
    last() { return this.eq(-1); }
    map(fn) {
      if (typeof fn !== 'function') throw new TypeError('the argument to map() must be a function');
      return this.#nodes.map((n, i) => fn(i, this.#to([n])));
    }
    next(selector) { return this.#collect((n) => walk(n, 'nextElement').slice(0, 1), selector); }
    nextAll(selector) { return this.#collect((n) => walk(n, 'nextElement'), selector); }
    nextUntil(stop, selector) { return this.#collect((n) => until(n, 'nextElement', this.#stop(stop)), selector); }
    not(what) { return this.#keep(what, false); }
    parent(selector) { return this.#collect((n) => { const p = step(n, 'parentElement'); return p ? [p] : []; }, selector); }
    parents(selector) { return this.#collect((n) => walk(n, 'parentElement'), selector); }
    parentsUntil(stop, selector) { return this.#collect((n) => until(n, 'parentElement', this.#stop(stop)), selector); }
    prev(selector) { return this.#collect((n) => walk(n, 'previousElement').slice(0, 1), selector); }
    prevAll(selector) { return this.#collect((n) => walk(n, 'previousElement'), selector); }
    prevUntil(stop, selector) { return this.#collect((n) => until(n, 'previousElement', this.#stop(stop)), selector); }
    serialize() { return this.serializeArray().map(({ name: k, value }) => `${formEncode(k)}=${formEncode(value)}`).join('&'); }
    serializeArray() { return submittable(this.#nodes); }
    serializeObject() { const out = {}; for (const { name: k, value } of this.serializeArray()) out[k] = value; return out; }
    siblings(selector) { return this.#collect((n) => { const p = step(n, 'parent'); return p ? childElements(p).filter((x) => order(x) !== order(n)) : []; }, selector); }
    single(selector) { const nodes = find(this.#nodes, String(selector)); return this.#to(nodes.slice(0, 1)); }
    size() { return this.#nodes.length; }
    slice(start, end) { return this.#to(this.#nodes.slice(start, end)); }
    text() { return text(this.#nodes); }
    toArray() { return this.#nodes.map((n) => this.#to([n])); }
    val() { return this.#nodes.length ? valueOf(this.#nodes[0]) : undefined; }
    get length() { return this.#nodes.length; }
  }

  // --- elements ----------------------------------------------------------------------------------
  let nodeOf, baseOf;
  class Element {
    #node;
    #base;
    constructor(node, base) { this.#node = node; this.#base = base; }
    static {
      nodeOf = (e) => e.#node;
      baseOf = (e) => e.#base;
    }
    selection() { return new Selection([this.#node], this.#base); }
    attributes() { const out = {}; for (const [k, v] of attrs(this.#node)) out[k] = new Attribute(k, v, this); return out; }
    childElementCount() { return childElements(this.#node).length; }
    childNodes() { return childNodes(this.#node).map((n) => element(n, this.#base)); }
    children() { return childElements(this.#node).map((n) => element(n, this.#base)); }
    classList() { return (attr(this.#node, 'class') ?? '').split(/\s+/).filter(Boolean); }
    className() { return attr(this.#node, 'class'); }
    contains(other) { const self = order(this.#node); return !!other && walk(nodeOf(other), 'parent').some((p) => order(p) === self); }
    firstChild() { return maybe(step(this.#node, 'firstChild'), this); }
    firstElementChild() { return maybe(step(this.#node, 'firstElement'), this); }
    getAttribute(key) { return attr(this.#node, String(key)); }
    getAttributeNode(key) { const value = attr(this.#node, String(key)); return value === undefined ? undefined : new Attribute(String(key).toLowerCase(), value, this); }
    getElementsByClassName(names) { return find([this.#node], String(names).trim().split(/\s+/).map((c) => `[class~="${c}"]`).join('')).map((n) => element(n, this.#base)); }
    getElementsByTagName(tag) { return find([this.#node], String(tag)).map((n) => element(n, this.#base)); }
    hasAttribute(key) { return attr(this.#node, String(key)) !== undefined; }
    hasAttributes() { return attrs(this.#node).length > 0; }
    hasChildNodes() { return !!step(this.#node, 'firstChild'); }
    id() { return attr(this.#node, 'id') ?? ''; }
    innerHTML() { return inner(this.#node); }
    isDefaultNamespace() { return this.namespaceURI() === 'http://www.w3.org/1999/xhtml'; }
    isEqualNode(other) { return !!other && native.outer(this.#node) === native.outer(nodeOf(other)); }
    isSameNode(other) { return !!other && native.same(this.#node, nodeOf(other)); }
    lang() { return [this.#node, ...walk(this.#node, 'parentElement')].map((n) => attr(n, 'lang')).find((v) => v !== undefined); }
    lastChild() { return maybe(step(this.#node, 'lastChild'), this); }
    lastElementChild() { return maybe(step(this.#node, 'lastElement'), this); }
    matches(selector) { return matches(this.#node, String(selector)); }
    namespaceURI() {
      const inside = [this.#node, ...walk(this.#node, 'parentElement')].map(name);
      if (inside.includes('svg')) return 'http://www.w3.org/2000/svg';
      return inside.includes('math') ? 'http://www.w3.org/1998/Math/MathML' : 'http://www.w3.org/1999/xhtml';
    }
    nextElementSibling() { return maybe(step(this.#node, 'nextElement'), this); }
    nextSibling() { return maybe(step(this.#node, 'nextSibling'), this); }
    nodeName() { const k = kind(this.#node); return k === ELEMENT ? name(this.#node) : k === DOCUMENT ? '#document' : k === TEXT ? '#text' : '#comment'; }
    nodeType() { return [9, 1, 3, 8, 4][kind(this.#node)]; }
    nodeValue() { return native.value(this.#node); }
    ownerDocument() { return maybe(step(this.#node, 'document'), this); }
    parentElement() { return maybe(step(this.#node, 'parentElement'), this); }
    parentNode() { return maybe(step(this.#node, 'parent'), this); }
    previousElementSibling() { return maybe(step(this.#node, 'previousElement'), this); }
    previousSibling() { return maybe(step(this.#node, 'previousSibling'), this); }
    querySelector(selector) { return maybe(find([this.#node], String(selector))[0], this); }
    querySelectorAll(selector) { return find([this.#node], String(selector)).map((n) => element(n, this.#base)); }
    textContent() { return kind(this.#node) === DOCUMENT ? undefined : kind(this.#node) === ELEMENT ? text([this.#node]) : native.value(this.#node); }
    toString() { return this.nodeName(); }
  }
  class Attribute {
    constructor(key, value, owner) { this.name = key; this.value = value; Object.defineProperty(this, 'owner', { value: owner }); }
    nodeName() { return this.name; }
    nodeValue() { return this.value; }
    localName() { return this.name.replace(/^.*:/, ''); }
    namespaceURI() { return ''; }
    prefix() { const at = this.name.indexOf(':'); return at < 0 ? '' : this.name.slice(0, at); }
    ownerElement() { return this.owner; }
  }

  const maybe = (node, from) => (node ? element(node, baseOf(from)) : undefined);
  const maybeAll = (nodes, from) => nodes.map((n) => element(n, baseOf(from)));
  const own = (e, selector) => maybeAll(find([nodeOf(e)], selector), e);

  // Methods that reflect an attribute: text as it is, the empty text when it is missing.
  const reflectText = (proto, list) => { for (const [method, key = method.toLowerCase()] of list.map((x) => x.split(':'))) proto[method] = function () { return attr(nodeOf(this), key) ?? ''; }; };
  const reflectBool = (proto, list) => { for (const [method, key = method.toLowerCase()] of list.map((x) => x.split(':'))) proto[method] = function () { return attr(nodeOf(this), key) !== undefined; }; };
  const reflectInt = (proto, list, def = 0) => { for (const [method, key = method.toLowerCase()] of list.map((x) => x.split(':'))) proto[method] = function () { const n = parseInt(attr(nodeOf(this), key), 10); return Number.isNaN(n) ? def : n; }; };
  const reflectUrl = (proto, list) => { for (const method of list) proto[method] = function () { const v = attr(nodeOf(this), method.toLowerCase()); return v === undefined ? '' : native.resolve(baseOf(this) ?? '', v); }; };
  const reflectEnum = (proto, method, allowed, def, key = method.toLowerCase()) => { proto[method] = function () { const v = (attr(nodeOf(this), key) ?? '').toLowerCase(); return allowed.includes(v) ? v : def; }; };

  const classes = {};
  const define = (tags, parent, fill) => {
    const cls = class extends parent {};
    if (fill) fill(cls.prototype);
    for (const tag of tags.split(' ').filter(Boolean)) classes[tag] = cls;
    return cls;
  };
  const formOf = (e) => {
    const id = attr(nodeOf(e), 'form');
    const root = step(nodeOf(e), 'document');
    if (id) return maybe(find([root], `form[id="${id}"]`)[0], e);
    return maybe(walk(nodeOf(e), 'parentElement').find((n) => name(n) === 'form'), e);
  };
  const labelsOf = (e) => {
    const id = attr(nodeOf(e), 'id');
    const around = walk(nodeOf(e), 'parentElement').filter((n) => name(n) === 'label');
    const named = id ? find([step(nodeOf(e), 'document')], `label[for="${id}"]`) : [];
    return maybeAll(unique([...around, ...named]), e);
  };
  const METHODS = ['get', 'post', 'dialog'];
  const ENCODINGS = ['application/x-www-form-urlencoded', 'multipart/form-data', 'text/plain'];

  const urlPart = (e) => native.url(native.resolve(baseOf(e) ?? '', attr(nodeOf(e), 'href') ?? ''));
  const Href = define('', Element, (p) => {
    reflectText(p, ['download', 'referrerPolicy', 'rel', 'target', 'type', 'hrefLang:hreflang', 'media', 'accessKey']);
    reflectUrl(p, ['href']);
    for (const part of ['hash', 'host', 'hostname', 'origin', 'password', 'pathname', 'port', 'protocol', 'search', 'username']) p[part] = function () { return urlPart(this)[part]; };
    p.relList = function () { return (attr(nodeOf(this), 'rel') ?? '').split(/\s+/).filter(Boolean); };
    p.text = function () { return text([nodeOf(this)]); };
    p.toString = function () { return this.href(); };
  });
  define('a', Href);
  define('area', Href, (p) => reflectText(p, ['alt', 'coords', 'shape']));
  const Media = define('', Element, (p) => {
    reflectBool(p, ['autoplay', 'controls', 'loop', 'defaultMuted:muted', 'muted']);
    reflectText(p, ['crossOrigin', 'mediaGroup', 'preload']);
    reflectUrl(p, ['src']);
    p.currentSrc = function () { return this.src(); };
    p.textTracks = function () { return own(this, 'track'); };
  });
  define('audio', Media);
  define('video', Media, (p) => { reflectInt(p, ['height', 'width']); reflectUrl(p, ['poster']); });
  define('base', Element, (p) => { reflectUrl(p, ['href']); reflectText(p, ['target']); });
  const Field = define('', Element, (p) => {
    p.form = function () { return formOf(this); };
    p.labels = function () { return labelsOf(this); };
    reflectText(p, ['name', 'formTarget']);
    reflectBool(p, ['formNoValidate', 'autofocus', 'disabled']);
    reflectUrl(p, ['formAction']);
    reflectEnum(p, 'formEnctype', ENCODINGS, ENCODINGS[0]);
    reflectEnum(p, 'formMethod', METHODS, 'get');
    p.value = function () { return valueOf(nodeOf(this)) ?? ''; };
  });
  define('button', Field, (p) => reflectEnum(p, 'type', ['submit', 'reset', 'button', 'menu'], 'submit'));
  define('input', Field, (p) => {
    reflectText(p, ['accept', 'alt', 'autocomplete', 'defaultValue:value', 'dirName:dirname', 'inputMode', 'max', 'min', 'pattern', 'placeholder', 'step', 'accessKey']);
    reflectBool(p, ['checked', 'defaultChecked:checked', 'multiple', 'readonly', 'required']);
    reflectInt(p, ['height', 'width']);
    reflectInt(p, ['maxLength', 'minLength'], -1);
    reflectInt(p, ['size'], 20);
    reflectUrl(p, ['src']);
    p.type = function () { return (attr(nodeOf(this), 'type') ?? 'text').toLowerCase(); };
    p.list = function () { const id = attr(nodeOf(this), 'list'); return id ? maybe(find([step(nodeOf(this), 'document')], `datalist[id="${id}"]`)[0], this) : undefined; };
  });
  define('canvas', Element, (p) => { reflectInt(p, ['height'], 150); reflectInt(p, ['width'], 300); });
  define('data', Element, (p) => reflectText(p, ['value']));
  define('datalist', Element, (p) => { p.options = function () { return own(this, 'option'); }; });
  define('del ins', Element, (p) => { reflectText(p, ['cite', 'datetime']); });
  define('embed', Element, (p) => { reflectText(p, ['height', 'width', 'type']); reflectUrl(p, ['src']); });
  define('fieldset', Element, (p) => {
    reflectText(p, ['name']);
    reflectBool(p, ['disabled']);
    p.elements = function () { return own(this, 'input, select, textarea, button, object, output, fieldset'); };
    p.form = function () { return formOf(this); };
    p.type = () => 'fieldset';
    p.validity = () => undefined;
  });
  define('form', Element, (p) => {
    reflectText(p, ['name', 'target', 'acceptCharset:accept-charset']);
    reflectBool(p, ['noValidate']);
    reflectUrl(p, ['action']);
    reflectEnum(p, 'autocomplete', ['on', 'off'], 'on');
    reflectEnum(p, 'enctype', ENCODINGS, ENCODINGS[0]);
    reflectEnum(p, 'encoding', ENCODINGS, ENCODINGS[0], 'enctype');
    reflectEnum(p, 'method', METHODS, 'get');
    p.elements = function () { return own(this, 'input, select, textarea, button, fieldset'); };
    p.length = function () { return this.elements().length; };
  });
  define('iframe', Element, (p) => { reflectText(p, ['height', 'width', 'name']); reflectBool(p, ['allowFullscreen']); reflectUrl(p, ['src']); });
  define('img', Element, (p) => { reflectText(p, ['alt', 'crossOrigin', 'name', 'sizes', 'srcset', 'useMap']); reflectBool(p, ['isMap']); reflectInt(p, ['height', 'width']); reflectUrl(p, ['src', 'longDesc']); p.currentSrc = function () { return this.src(); }; });
  define('keygen', Element, (p) => { reflectText(p, ['challenge', 'keytype', 'name']); reflectBool(p, ['autofocus', 'disabled']); p.form = function () { return formOf(this); }; p.labels = function () { return labelsOf(this); }; p.type = () => 'keygen'; });
  define('label', Element, (p) => {
    reflectText(p, ['htmlFor:for']);
    p.control = function () { const id = attr(nodeOf(this), 'for'); return id ? maybe(find([step(nodeOf(this), 'document')], `[id="${id}"]`)[0], this) : own(this, 'input, select, textarea, button')[0]; };
    p.form = function () { const control = this.control(); return control && formOf(control); };
  });
  define('legend', Element, (p) => { p.form = function () { return formOf(this); }; reflectText(p, ['accessKey']); });
  define('li', Element, (p) => { reflectInt(p, ['value']); reflectText(p, ['type']); });
  define('link', Element, (p) => { reflectText(p, ['crossOrigin', 'hreflang', 'media', 'referrerPolicy', 'rel', 'type', 'target']); reflectUrl(p, ['href']); p.relList = function () { return (attr(nodeOf(this), 'rel') ?? '').split(/\s+/).filter(Boolean); }; });
  define('map', Element, (p) => { reflectText(p, ['name']); p.areas = function () { return own(this, 'area'); }; p.images = function () { const key = attr(nodeOf(this), 'name'); return maybeAll(find([step(nodeOf(this), 'document')], `img[usemap="#${key}"], object[usemap="#${key}"]`), this); }; });
  define('meta', Element, (p) => reflectText(p, ['content', 'name', 'httpEquiv:http-equiv']));
  define('meter', Element, (p) => { for (const key of ['high', 'low', 'max', 'min', 'optimum', 'value']) p[key] = function () { const n = parseFloat(attr(nodeOf(this), key)); return Number.isNaN(n) ? (key === 'max' || key === 'high' ? 1 : 0) : n; }; p.labels = function () { return labelsOf(this); }; });
  define('object', Element, (p) => { reflectText(p, ['data', 'height', 'width', 'name', 'type', 'useMap']); reflectInt(p, ['tabIndex']); reflectBool(p, ['typeMustMatch']); p.form = function () { return formOf(this); }; });
  define('ol', Element, (p) => { reflectBool(p, ['reversed']); reflectInt(p, ['start'], 1); reflectText(p, ['type']); });
  define('optgroup', Element, (p) => { reflectBool(p, ['disabled']); reflectText(p, ['label']); });
  define('option', Element, (p) => {
    reflectBool(p, ['selected', 'defaultSelected:selected']);
    p.disabled = function () { return attr(nodeOf(this), 'disabled') !== undefined || walk(nodeOf(this), 'parentElement').some((n) => name(n) === 'optgroup' && attr(n, 'disabled') !== undefined); };
    p.form = function () { return formOf(this); };
    p.index = function () { const list = walk(nodeOf(this), 'parentElement').find((n) => name(n) === 'select' || name(n) === 'datalist'); return list ? optionsOf(list).findIndex((n) => order(n) === order(nodeOf(this))) : 0; };
    p.label = function () { return attr(nodeOf(this), 'label') ?? this.text(); };
    p.text = function () { return text([nodeOf(this)]).trim(); };
    p.value = function () { return optionValue(nodeOf(this)); };
  });
  define('output', Element, (p) => { reflectText(p, ['name', 'htmlFor:for']); p.defaultValue = function () { return text([nodeOf(this)]); }; p.value = p.defaultValue; p.type = () => 'output'; p.form = function () { return formOf(this); }; p.labels = function () { return labelsOf(this); }; });
  define('param', Element, (p) => reflectText(p, ['name', 'value']));
  define('pre', Element, (p) => reflectText(p, ['name']));
  define('progress', Element, (p) => { p.max = function () { const n = parseFloat(attr(nodeOf(this), 'max')); return n > 0 ? n : 1; }; p.value = function () { const n = parseFloat(attr(nodeOf(this), 'value')); return n > 0 ? Math.min(n, this.max()) : 0; }; p.position = function () { return attr(nodeOf(this), 'value') === undefined ? -1 : this.value() / this.max(); }; p.labels = function () { return labelsOf(this); }; });
  define('blockquote q', Element, (p) => reflectText(p, ['cite']));
  define('script', Element, (p) => { reflectText(p, ['crossOrigin', 'type', 'charset']); reflectBool(p, ['async', 'defer', 'noModule']); reflectUrl(p, ['src']); p.text = function () { return text([nodeOf(this)]); }; });
  define('select', Element, (p) => {
    reflectBool(p, ['autofocus', 'disabled', 'multiple', 'required']);
    reflectText(p, ['name']);
    p.form = function () { return formOf(this); };
    p.labels = function () { return labelsOf(this); };
    p.options = function () { return own(this, 'option'); };
    p.length = function () { return this.options().length; };
    p.selectedOptions = function () { return this.options().filter((o) => o.selected()); };
    p.selectedIndex = function () { return this.options().findIndex((o) => o.selected()); };
    p.size = function () { const n = parseInt(attr(nodeOf(this), 'size'), 10); return n > 0 ? n : attr(nodeOf(this), 'multiple') !== undefined ? 4 : 1; };
    p.type = function () { return attr(nodeOf(this), 'multiple') !== undefined ? 'select-multiple' : 'select-one'; };
    p.value = function () { const v = valueOf(nodeOf(this)); return (Array.isArray(v) ? v[0] : v) ?? ''; };
  });
  define('source', Element, (p) => { reflectText(p, ['keySystem', 'media', 'sizes', 'srcset', 'type']); reflectUrl(p, ['src']); });
  define('style', Element, (p) => { reflectText(p, ['media']); p.type = function () { return attr(nodeOf(this), 'type') ?? 'text/css'; }; });
  const cellsOf = (row) => childElements(row).filter((n) => ['td', 'th'].includes(name(n)));
  const rowsOf = (e) => childElements(nodeOf(e)).filter((n) => name(n) === 'tr');
  define('td th', Element, (p) => {
    reflectInt(p, ['colSpan', 'rowSpan'], 1);
    reflectText(p, ['headers', 'abbr', 'scope']);
    p.cellIndex = function () { const row = step(nodeOf(this), 'parentElement'); return row ? cellsOf(row).findIndex((n) => order(n) === order(nodeOf(this))) : -1; };
  });
  define('col colgroup', Element, (p) => { p.span = function () { const n = parseInt(attr(nodeOf(this), 'span'), 10); return n > 0 ? n : 1; }; });
  define('table', Element, (p) => {
    reflectBool(p, ['sortable']);
    const part = (e, tag) => childElements(nodeOf(e)).filter((n) => name(n) === tag);
    p.caption = function () { return maybe(part(this, 'caption')[0], this); };
    p.tHead = function () { return maybe(part(this, 'thead')[0], this); };
    p.tFoot = function () { return maybe(part(this, 'tfoot')[0], this); };
    p.tBodies = function () { return maybeAll(part(this, 'tbody'), this); };
    p.rows = function () { return own(this, 'tr'); };
  });
  define('thead tbody tfoot', Element, (p) => { p.rows = function () { return maybeAll(rowsOf(this), this); }; });
  define('tr', Element, (p) => {
    p.cells = function () { return maybeAll(cellsOf(nodeOf(this)), this); };
    p.rowIndex = function () { const table = walk(nodeOf(this), 'parentElement').find((n) => name(n) === 'table'); return table ? find([table], 'tr').findIndex((n) => order(n) === order(nodeOf(this))) : -1; };
    p.sectionRowIndex = function () { const up = step(nodeOf(this), 'parentElement'); return up ? childElements(up).filter((n) => name(n) === 'tr').findIndex((n) => order(n) === order(nodeOf(this))) : -1; };
  });
  define('textarea', Element, (p) => {
    reflectBool(p, ['autofocus', 'disabled', 'readOnly', 'required']);
    reflectText(p, ['accessKey', 'autocomplete', 'dirName:dirname', 'name', 'placeholder', 'wrap']);
    reflectInt(p, ['maxLength', 'minLength'], -1);
    reflectInt(p, ['cols'], 20);
    reflectInt(p, ['rows'], 2);
    p.defaultValue = function () { return text([nodeOf(this)]); };
    p.value = p.defaultValue;
    p.length = function () { return this.value().length; };
    p.type = () => 'textarea';
    p.form = function () { return formOf(this); };
    p.labels = function () { return labelsOf(this); };
  });
  define('time', Element, (p) => reflectText(p, ['datetime']));
  define('title', Element, (p) => { p.text = function () { return text([nodeOf(this)]); }; });
  define('track', Element, (p) => { reflectText(p, ['label', 'srclang']); reflectBool(p, ['default']); reflectUrl(p, ['src']); reflectEnum(p, 'kind', ['subtitles', 'captions', 'descriptions', 'chapters', 'metadata'], 'subtitles'); });
  define('ul', Element, (p) => reflectText(p, ['type']));

  const element = (node, base) => new ((kind(node) === ELEMENT && classes[name(node)]) || Element)(node, base);

  // --- forms and links of a response -----------------------------------------------------------------
  const parse = (source, base) => new Selection([native.parse(String(source))], base);

  // What submitForm sends: method, url, fields.
  const submission = (page, { formSelector = 'form', submitSelector = '[type="submit"]', fields = {} } = {}, base) => {
    const form = page.find(formSelector);
    if (form.size() === 0) throw new Error(`no form found for selector '${formSelector}' in response '${base}'`);
    const values = form.serializeObject();
    const submit = form.find(submitSelector);
    const button = submit.size() > 0 ? submit.attr('name') : undefined;
    if (button !== undefined && button !== '') values[button] = submit.val() ?? '';
    Object.assign(values, fields);
    const method = (form.attr('method') ?? 'get').toUpperCase();
    return { method: method === 'POST' ? 'POST' : 'GET', url: native.resolve(base, form.attr('action') ?? ''), fields: values };
  };
  const linkTarget = (page, { selector = 'a[href]' } = {}, base) => {
    const link = page.find(selector);
    if (link.size() === 0) throw new Error(`no element found for selector '${selector}' in response '${base}'`);
    const href = link.attr('href');
    if (href === undefined) throw new Error(`no valid href attribute value found on element '${selector}' in response '${base}'`);
    return native.resolve(base, href);
  };

  // The URL of a form that is sent by GET: the fields replace its query.
  const withQuery = (url, fields) => {
    const query = Object.entries(fields).map(([k, v]) => `${formEncode(k)}=${formEncode(String(v))}`).join('&');
    const bare = url.replace(/[?#].*$/, '');
    return query ? `${bare}?${query}` : bare;
  };

  return { parse, submission, linkTarget, withQuery, Selection, Element };
})
