// handleSummary may give text and bytes, and may be async.
// expect-stdout: the summary of 2 iterations
// expect-stderr: on the other stream
export const options = { vus: 1, iterations: 2 };
export default function () {}
export async function handleSummary(data) {
  await null;
  return {
    stdout: `the summary of ${data.metrics.iterations.values.count} iterations\n`,
    stderr: 'on the other stream\n',
    'bytes.bin': new Uint8Array([1, 2, 3]),
  };
}
