// expect-exit: 107
// expect-stderr: gale can't load modules over the network yet
import x from 'https://jslib.k6.io/k6-utils/1.4.0/index.js';
export default function () {}
