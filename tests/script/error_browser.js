// expect-exit: 107
// expect-stderr: gale has no browser; what serves instead: k6/http
import { browser } from 'k6/browser';
export default function () {}
