// expect-exit: 108
// expect-stderr: msg="test aborted: not today"
// expect-none: caught
import exec from 'k6/execution';
export function setup() {
  try {
    exec.test.abort('not today');
  } catch (e) {
    console.log('caught');
  }
}
export default function () {}
