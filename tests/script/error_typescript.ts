// expect-exit: 107
// expect-stderr: error_typescript.ts:5:27: SyntaxError: Unexpected
// expect-stderr: return value as number +;
export default function (value: unknown): number {
  return value as number +;
}
