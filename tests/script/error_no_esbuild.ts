// env: GALE_ESBUILD=/nowhere/esbuild
// expect-exit: 107
// expect-stderr: gale needs esbuild, and there is no '/nowhere/esbuild'
// expect-stderr: set GALE_ESBUILD
export default function (): void {}
