// expect-exit: 107
// expect-stderr: Error: setup is broken
// expect-none: iteration ran
export function setup() {
  throw new Error('setup is broken');
}
export default function () {
  console.log('iteration ran');
}
