// expect-exit: 107
// expect-stderr: error_missing_module.js:4:19: ReferenceError: can't load module
// expect-stderr: did you mean
import { a } from './lib/esm';
export default function () {}
