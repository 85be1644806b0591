// expect-exit: 108
// expect-stderr: msg="test aborted: not even started"
// expect-none: caught
import exec from 'k6/execution';
try {
  exec.test.abort('not even started');
} catch (e) {
  console.log('caught');
}
export default function () {}
