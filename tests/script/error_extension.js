// expect-exit: 107
// expect-stderr: gale does not run k6's extensions
import sql from 'k6/x/sql';
export default function () {}
