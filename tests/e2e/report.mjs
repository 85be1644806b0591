/* Opens reports from disk in Chromium: node report.mjs SCREENSHOTS FILE... Prints what each shows, as JSON by the line. */
import { basename } from 'node:path';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import assert from 'node:assert';
import { launch, require } from './browser.mjs';

const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const [shots, ...files] = process.argv.slice(2);

const browser = await launch();

/* How many colours there are in each chart: a blank one has one. */
const colours = (page) => page.$$eval('figure.chart canvas', (all) => all.map((c) => {
  const { data } = c.getContext('2d').getImageData(0, 0, c.width, c.height);
  const seen = new Set();
  for (let i = 0; i < data.length; i += 4) seen.add(data.slice(i, i + 4).join());
  return seen.size;
}));

async function look(file, colorScheme, isFirst) {
  const url = pathToFileURL(file).href;
  const problems = [];
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, colorScheme });
  page.on('console', (m) => { if (m.type() === 'error') problems.push(m.text()); });
  page.on('pageerror', (e) => problems.push(String(e)));
  page.on('request', (r) => { if (r.url() !== url) problems.push(`asked for ${r.url()}`); });
  page.on('dialog', (d) => { problems.push(`dialog ${d.message()}`); d.dismiss(); });
  await page.goto(url);
  await page.locator('figure.chart canvas').nth(5).waitFor();
  await page.waitForTimeout(300);
  const drawn = await colours(page);
  assert(drawn.length >= 6 && drawn.every((n) => n > 3), `blank charts: ${drawn}`);
  /* axe runs by the debugger's evaluate, which the page's policy does not bind. */
  await page.evaluate(axe);
  const found = await page.evaluate(() => globalThis.axe.run());
  const serious = found.violations.filter((v) => ['serious', 'critical'].includes(v.impact));
  assert.deepEqual(serious.map((v) => [v.id, v.nodes[0].html]), []);
  await page.screenshot({ path: `${shots}/${basename(file, '.html')}-${colorScheme}.png`, fullPage: true });
  const shown = { title: await page.title(), text: await page.locator('main').innerText(), charts: drawn.length };
  if (isFirst) {
    await page.setViewportSize({ width: 400, height: 800 });
    assert(await page.evaluate(() => document.documentElement.scrollWidth <= 400), 'wider than 400 px');
    await page.pdf({ path: `${shots}/${basename(file, '.html')}.pdf`, printBackground: true });
  }
  /* What the file says can't run: neither an element that is added nor what is in names. */
  await page.evaluate(() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1'; document.body.append(s); });
  assert.equal(await page.evaluate(() => globalThis.ran), undefined);
  assert.match(problems.pop() ?? '', /Content Security Policy/);
  assert.deepEqual(problems, []);
  assert.equal(await page.locator('img').count(), 0);
  await page.close();
  return shown;
}

for (const file of files) {
  if (file === files[0]) await look(file, 'dark', false);
  console.log(JSON.stringify(await look(file, 'light', file === files[0])));
}
await browser.close();
process.exit(0);
