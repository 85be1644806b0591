#!/usr/bin/env node
module.exports = function deep() {
  return 'deep';
};
