// expect-exit: 107
// expect-stderr: error_extension.js
// expect-stderr: gale does not run k6's extensions; what serves instead: an HTTP service in front of the database
import sql from 'k6/x/sql';
export default function () {}
