// expect-exit: 107
// expect-stderr: error_missing_export.js:4:14: SyntaxError: Could not find export 'nothing'

import { is, nothing } from './lib/check.js';
export default function () {}
