/* The report: one HTML file with its script and styles in it, which lets nothing else run or load. */
import { createHash } from 'node:crypto';
import { defineConfig, type Plugin } from 'vite';

type Files = Parameters<Extract<Plugin['generateBundle'], (...args: never[]) => unknown>>[1];

const hash = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

function take(files: Files, ending: string): string {
  const names = Object.keys(files).filter((name) => name.endsWith(ending));
  if (names.length !== 1) throw new Error(`the report must have one ${ending}, not ${names.join(', ') || 'none'}`);
  const file = files[names[0]];
  delete files[names[0]];
  return (file.type === 'chunk' ? file.code : String(file.source)).trim();
}

function inline(files: Files) {
  const page = files['report.html'];
  if (page?.type !== 'asset') throw new Error('there is no report.html');
  const script = take(files, '.js').replaceAll('</script', '<\\/script').replaceAll('<!--', '<\\!--');
  const style = take(files, '.css');
  const policy = `default-src 'none'; script-src ${hash(script)}; style-src ${hash(style)}; base-uri 'none'; form-action 'none'`;
  page.source = String(page.source)
    .replace(/\s*<script type="module"[^>]*><\/script>/, '')
    .replace(/\s*<link rel="stylesheet"[^>]*>/, '')
    .replace('<meta charset="utf-8" />', (tag) => `${tag}\n    <meta http-equiv="Content-Security-Policy" content="${policy}" />`)
    .replace('</head>', () => `  <style>${style}</style>\n  </head>`)
    .replace('</body>', () => `  <script type="module">${script}</script>\n  </body>`);
}

export default defineConfig({
  plugins: [{ name: 'inline', enforce: 'post', generateBundle: (_, files) => inline(files as Files) }],
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: 'dist-report', cssCodeSplit: false, modulePreload: false,
    rolldownOptions: { input: 'report.html', output: { codeSplitting: false } },
  },
});
