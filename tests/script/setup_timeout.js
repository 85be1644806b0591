// expect-exit: 100
// expect-stderr: setup() execution timed out after 300ms
export const options = { setupTimeout: '300ms' };
export function setup() {
  for (;;) {}
}
export default function () {}
