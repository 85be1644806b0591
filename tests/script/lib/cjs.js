exports.answer = 42;
exports.k6 = require('k6');
exports.deep = require('./deep.cjs');
exports.data = require('../data/list.json');
exports.self = module.exports === exports && this === exports;
