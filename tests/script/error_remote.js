// expect-exit: 107
// expect-stderr: https://modules.example/x.js: modules are not imported from this host; if you trust it, add --allow-import modules.example (allowed now: jslib.k6.io)
// expect-stderr: error_remote.js:4:15
import x from 'https://modules.example/x.js';
export default function () {}
