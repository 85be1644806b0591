// expect-exit: 107
// expect-stderr: error_syntax.js:4:22: SyntaxError
// expect-stderr: export const value = ;\n
export const value = ;
export default function () {}
