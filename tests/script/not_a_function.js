// What is called but is no function has a name: QuickJS says neither which nor what.
// expect-stderr: msg="TypeError: http.gett is not a function\n\tat default (file://
// expect-stderr: msg="TypeError: options.missing.deep is not a function\n
// expect-stderr: msg="TypeError: nothing is not a function\n
// expect-stderr: msg="TypeError: later.on is not a function\n
// expect-stderr: msg="TypeError: not a function\n
// expect-stderr: msg="TypeError: not a function: thrown by hand\n
import http from 'k6/http';

export const options = { iterations: 7, missing: { deep: 5 } };
let nothing;
const later = {};

export default function () {
  switch (__ITER) {
    case 0:
      return http.gett('http://127.0.0.1:1/');
    case 1:
      return options.missing.deep(1, 2);
    case 2:
      return nothing();
    case 3:
      later.on('x', (y) => y);
      break;
    case 4:
      return [1, 2][0]();
    case 5:
      return later.toString().on('x');
    default:
      throw new TypeError('not a function: thrown by hand');
  }
}
