// An exception of another file: its place and the stack.
// expect-exit: 107
// expect-stderr: lib/thrower.js:2:22: TypeError: from a module
// expect-stderr: \tat inner (file://
import './lib/thrower.js';
export default function () {}
