// The shape of esbuild --format=cjs: lazy CommonJS inside, namespaces made by hand.
var __create = Object.create;
var __defProp = Object.defineProperty;
var __getOwnPropDesc = Object.getOwnPropertyDescriptor;
var __getOwnPropNames = Object.getOwnPropertyNames;
var __getProtoOf = Object.getPrototypeOf;
var __hasOwnProp = Object.prototype.hasOwnProperty;
var __commonJS = (cb, mod) => function __require() {
  return mod || (0, cb[__getOwnPropNames(cb)[0]])((mod = { exports: {} }).exports, mod), mod.exports;
};
var __export = (target, all) => {
  for (var name in all) __defProp(target, name, { get: all[name], enumerable: true });
};
var __copyProps = (to, from, except, desc) => {
  if (from && typeof from === "object" || typeof from === "function") {
    for (let key of __getOwnPropNames(from))
      if (!__hasOwnProp.call(to, key) && key !== except)
        __defProp(to, key, { get: () => from[key], enumerable: !(desc = __getOwnPropDesc(from, key)) || desc.enumerable });
  }
  return to;
};
var __toESM = (mod, isNodeMode, target) => (target = mod != null ? __create(__getProtoOf(mod)) : {}, __copyProps(
  isNodeMode || !mod || !mod.__esModule ? __defProp(target, "default", { value: mod, enumerable: true }) : target, mod));
var __toCommonJS = (mod) => __copyProps(__defProp({}, "__esModule", { value: true }), mod);

var require_inner = __commonJS({
  "inner.js"(exports, module) {
    module.exports = function inner(a) { return inner.calls = (inner.calls || 0) + 1, a * 2; };
    module.exports.self = exports;
  }
});

var index_exports = {};
__export(index_exports, { default: () => index_default, describe: () => describe, expect: () => expect, twice: () => twice });
module.exports = __toCommonJS(index_exports);
var import_k6 = __toESM(require("k6"));
var import_http = __toESM(require("k6/http"));
var import_inner = __toESM(require_inner());
var twice = import_inner.default;

// An assertion library: chains by getters on a prototype and a Proxy, checks by k6's check().
class AssertionError extends Error {
  constructor(message, props, ssf) {
    super(message);
    Object.assign(this, props);
    if (Error.captureStackTrace) Error.captureStackTrace(this, ssf || AssertionError);
  }
  get name() { return "AssertionError"; }
}
function Assertion(object, negate) { this.__flags = Object.assign(Object.create(null), { object, negate }); }
for (const word of ["to", "be", "and"])
  Object.defineProperty(Assertion.prototype, word, { configurable: true, get: function () { return this; } });
Object.defineProperty(Assertion.prototype, "not", { configurable: true, get() { return wrap(new Assertion(this.__flags.object, !this.__flags.negate)); } });
Assertion.prototype.assert = function (ok, message) {
  ok = this.__flags.negate ? !ok : ok;
  (0, import_k6.check)(null, { [message]: () => ok });
  if (!ok) throw new AssertionError(message, { actual: this.__flags.object });
};
Assertion.prototype.equal = function (v) {
  this.assert(Object.is(this.__flags.object, v), `expected ${JSON.stringify(this.__flags.object)} to equal ${JSON.stringify(v)}`);
  return this;
};
function wrap(assertion) {
  return new Proxy(assertion, {
    get: function getter(target, property) {
      if (typeof property === "string" && ["constructor", "then", "toJSON"].indexOf(property) === -1 && !Reflect.has(target, property))
        throw Error("Invalid property: " + property);
      return Reflect.get(target, property);
    }
  });
}
var expect = (v) => wrap(new Assertion(v));
function describe(name, fn) {
  let success = true;
  (0, import_k6.group)(name, () => {
    try { fn(); } catch (error) { if (error.name !== "AssertionError") throw error; success = false; }
  });
  return success;
}
var index_default = { hasHttp: typeof import_http.default.get, sameHttp: import_http.get === import_http.default.get };
// Annotate the CommonJS export names for ESM import in node:
0 && (module.exports = { describe, expect, twice });
