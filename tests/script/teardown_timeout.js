// expect-exit: 101
// expect-stderr: teardown() execution timed out after 300ms
import { sleep } from 'k6';
export const options = { teardownTimeout: '300ms' };
export function teardown() {
  sleep(30);
}
export default function () {}
