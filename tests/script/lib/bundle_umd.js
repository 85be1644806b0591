/* UMD, as old and new libraries wrap themselves. */
(function (root, factory) {
  /* globals define */
  if (typeof define === 'function' && define.amd) define([], factory);
  else if (typeof module === 'object' && typeof exports !== 'undefined') module.exports = factory();
  else root.Library = factory();
}(this, function factory() {
  'use strict';
  var global = (function () {
    if (typeof self !== 'undefined') { return self; }
    if (typeof window !== 'undefined') { return window; }
    if (typeof global !== 'undefined') { return global; }
    return {};
  })();
  var IS_WORKER = !global.document && !!global.postMessage;
  var nativeSlice = Function.prototype.call.bind(Array.prototype.slice);

  // Classes before there were any.
  function inherits(child, parent) {
    child.prototype = Object.create(parent.prototype, { constructor: { value: child, enumerable: false, writable: true, configurable: true } });
    if (Object.setPrototypeOf) Object.setPrototypeOf(child, parent); else child.__proto__ = parent;
  }
  function Base(name) { if (!(this instanceof Base)) return new Base(name); this.name = name; }
  Base.prototype.hello = function () { return 'hello ' + this.name; };
  function Derived() { return Base.apply(this, arguments) || this; }
  inherits(Derived, Base);

  // Babel's helpers.
  function _classCallCheck(a, n) { if (!(a instanceof n)) throw new TypeError('Cannot call a class as a function'); }
  function _isNativeReflectConstruct() {
    if (typeof Reflect === 'undefined' || !Reflect.construct || Reflect.construct.sham) return false;
    try { Boolean.prototype.valueOf.call(Reflect.construct(Boolean, [], function () {})); return true; } catch (e) { return false; }
  }
  function _wrapNativeSuper(Class) {
    function Wrapper() { return Reflect.construct(Class, arguments, Object.getPrototypeOf(this).constructor); }
    Wrapper.prototype = Object.create(Class.prototype, { constructor: { value: Wrapper, enumerable: false, writable: true, configurable: true } });
    return Object.setPrototypeOf(Wrapper, Class);
  }
  var OwnError = (function (_Error) {
    inherits(OwnError, _Error);
    function OwnError(message) {
      _classCallCheck(this, OwnError);
      var self = Reflect.construct(_Error, [message], OwnError);
      self.code = 42;
      return self;
    }
    return OwnError;
  })(_wrapNativeSuper(Error));

  return {
    isWorker: IS_WORKER, slice: nativeSlice, Base: Base, Derived: Derived, OwnError: OwnError,
    native: _isNativeReflectConstruct(), parse: function (text) { return text.split(/\r\n|\r|\n/).map(function (l) { return l.split(','); }); },
    default: undefined,
  };
}));
