// expect-exit: 107
// expect-stderr: an ES module, which has neither
import { sleep } from 'k6';
module.exports = { default: () => sleep(1) };
export const x = 1;
