// expect-exit: 107
// expect-stderr: unknown module \"lodash\"
// expect-stderr: error_bare_name.js:4:15:
import _ from 'lodash';
export default function () {}
