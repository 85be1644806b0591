// expect-exit: 107
// expect-stderr: exported 'teardown' must be a function
export const teardown = 5;
export default function () {}
