// expect-exit: 107
// expect-stderr: error_rejected.js:4:25: Error: nobody handles this

Promise.reject(new Error('nobody handles this'));
export default function () {}
