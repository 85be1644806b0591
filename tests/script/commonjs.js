// A script that is CommonJS itself.
const { sleep } = require('k6');
const lib = require('./lib/cjs.js');
const esm = require('./lib/esm.js');
const check = require('./lib/check.js');

exports.options = check.once;
exports.setup = function () {
  return { n: 1 };
};
exports.default = function (data) {
  sleep(0.001);
  check.is('exports', [lib.answer, esm.a, esm.fromCycle(), esm.__esModule], [42, 1, 2, true]);
  check.is('default of an ES module', esm.default.count, 5);
  check.is('setup data', data, { n: 1 });
};
