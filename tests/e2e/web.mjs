/* Drives the dashboard in Chromium: node web.mjs URL SCRIPT SCREENSHOTS. Talks with the test by lines: it says
 * "kill", waits for a line, and goes on. */
import { readFileSync } from 'node:fs';
import assert from 'node:assert';
import { launch, require } from './browser.mjs';

const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const [url, script, shots] = process.argv.slice(2);
const problems = [];

const browser = await launch();
const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });

page.on('console', (m) => { if (m.type() === 'error' && !m.text().includes('404')) problems.push(m.text()); });
page.on('pageerror', (e) => problems.push(String(e)));

/* axe runs by the debugger's evaluate, which the page's policy does not bind. */
async function accessible(where) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => globalThis.axe.run());
  const serious = found.violations.filter((v) => ['serious', 'critical'].includes(v.impact));
  assert.deepEqual(serious.map((v) => [where, v.id, v.nodes[0].html]), []);
}
const shot = (name) => page.screenshot({ path: `${shots}/${name}.png` });

await page.goto(url);
await page.getByText('No run yet').waitFor();
await accessible('runs');
await page.getByRole('link', { name: 'New run' }).first().click();
for (const region of ['us-east-1', 'eu-central-1', 'ap-southeast-2']) await page.getByLabel(`Use ${region}`).check();
await page.getByLabel('Share of us-east-1').fill('50');
await page.getByText('they must be 100 %').waitFor();
assert(await page.getByRole('button', { name: 'Run', exact: true }).isDisabled());
await page.getByLabel('Share of us-east-1').fill('34');
await page.getByLabel('script.js').fill('export default function () {\n  let = ;\n}');
await page.getByRole('button', { name: 'Run', exact: true }).click();
await page.getByRole('alert').waitFor();
problems.length = 0; /* the browser logs the refusal's status */
await page.setInputFiles('input[type=file]', script);
await accessible('new');
await shot('new-run');
await page.getByRole('button', { name: 'Run', exact: true }).click();
await page.getByRole('heading', { name: 'Timeline' }).waitFor();
await page.waitForFunction(() => /^0:0[3-9]|^0:[1-9]/.test(document.querySelector('[role=timer]')?.textContent ?? ''), null, { timeout: 60000 });
await page.waitForTimeout(3000);
assert.equal(await page.locator('figure.chart canvas').count(), 6);
for (const region of ['us-east-1', 'eu-central-1', 'ap-southeast-2'])
  assert.match(await page.getByRole('row', { name: new RegExp(`^${region} \\d`) }).first().textContent(), /\d/);
console.log('kill');
await new Promise((resume) => process.stdin.once('data', resume));
await page.locator('ol[aria-label=Events] b', { hasText: /agent.lost/ }).first().waitFor({ timeout: 60000 });
await accessible('run');
await page.waitForTimeout(2000);
await shot('live-run');
await page.getByRole('button', { name: 'Stop' }).click();
await page.getByLabel('Reason').fill('<img src=x onerror="document.title=1">');
await page.getByRole('button', { name: 'Stop the run' }).click();
await page.locator('.status.aborted').waitFor({ timeout: 60000 });
await page.reload();
await page.locator('.status.aborted').waitFor();
assert.doesNotMatch(await page.getByRole('timer').textContent(), /^0:00 of/);
await page.setViewportSize({ width: 400, height: 800 });
assert(await page.evaluate(() => document.documentElement.scrollWidth <= 400), 'wider than 400 px');
await page.setViewportSize({ width: 1280, height: 900 });
await page.emulateMedia({ colorScheme: 'dark' });
await page.reload();
await page.locator('figure.chart canvas').nth(5).waitFor();
await accessible('run, dark');
await shot('dark');
assert.deepEqual(problems, []);

console.log('done');
await browser.close();
process.exit(0);
