/* Follows a run on this machine in Chromium: node dashboard.mjs URL FOLDER. Talks with the test by lines: it says "stopped"
 * once the run is stopped, and waits for a line that says that the process is gone. */
import { readFileSync } from 'node:fs';
import assert from 'node:assert';
import { launch, require } from './browser.mjs';

const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const [url, folder] = process.argv.slice(2);
const LONG = { timeout: 60000 };
const problems = [];

const browser = await launch();
const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
await context.addInitScript(() => {
  globalThis.shift_ = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) globalThis.shift_ += entry.value;
  }).observe({ type: 'layout-shift', buffered: true });
});

async function open(path) {
  const page = await context.newPage();
  page.on('console', (m) => { if (m.type() === 'error') problems.push(m.text()); });
  page.on('pageerror', (e) => problems.push(String(e)));
  await page.goto(url + path);
  await page.locator('figure.chart canvas').nth(5).waitFor(LONG);
  return page;
}

async function isSound(page, where) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => globalThis.axe.run());
  const serious = found.violations.filter((v) => ['serious', 'critical'].includes(v.impact));
  assert.deepEqual(serious.map((v) => [where, v.id, v.nodes[0].html]), []);
  const shift = await page.evaluate(() => globalThis.shift_);
  assert(shift < 0.05, `${where}: the layout shifted by ${shift}`);
  assert.equal(await page.getByRole('alert').count(), 0, `${where}: ${await page.getByRole('alert').allTextContents()}`);
}

const seconds = (page) => page.getByRole('timer').textContent();
const part = (page, name) => page.getByRole('region', { name, exact: true });
const told = (line) => { console.log(line); return new Promise((resume) => process.stdin.once('data', resume)); };

/* --- while it runs: "/" leads to the run, as does k6's path --- */

const page = await open('/');
const other = await open('/ui/?endpoint=/');
assert.equal(new URL(other.url()).pathname, new URL(page.url()).pathname);
const before = await seconds(page);
await page.waitForFunction((old) => document.querySelector('[role=timer]').textContent !== old, before, LONG);
await page.waitForFunction(() => /^0:0[4-9]|^0:[1-9]/.test(document.querySelector('[role=timer]').textContent), null, LONG);
await part(page, 'Thresholds').getByRole('row', { name: /http_req_failed.*no/ }).waitFor(LONG);
await part(page, 'Thresholds').getByRole('row', { name: /iterations.*yes/ }).waitFor();
await part(page, 'Checks').getByRole('row', { name: /never/ }).waitFor(LONG);
await part(page, 'Requests').getByText('/missing').first().waitFor(LONG);
await part(page, 'Overall').getByRole('row', { name: /overall/ }).waitFor();
await page.locator('ol[aria-label="Log lines"] li', { hasText: '<img src=x' }).first().waitFor(LONG);
await page.locator('ol[aria-label=Events] b', { hasText: /threshold.crossed/ }).first().waitFor(LONG);
for (const name of ['Share', 'Run again', 'Baseline']) assert.equal(await page.getByRole('button', { name }).count(), 0, name);
assert.equal(await page.getByRole('link', { name: 'New run' }).count(), 0);
await isSound(page, 'live');
await page.screenshot({ path: `${folder}/dashboard-live.png` });
await page.getByText('Download').click();
const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: /^Report/ }).click()]);
await download.saveAs(`${folder}/while-it-runs.html`);
await page.getByText('Download').click();

/* --- it is stopped from the other page, and gale ends --- */

await other.getByRole('button', { name: 'Stop', exact: true }).click();
await other.getByLabel('Reason').fill('seen <b>enough</b>');
await other.getByRole('button', { name: 'Stop the run' }).click();
for (const one of [page, other]) await one.locator('.status.aborted').waitFor(LONG);
await told('stopped');

/* --- nobody answers any more, and nothing is missing --- */

for (const one of [page, other]) await one.getByRole('status').getByText('all that was measured').waitFor();
problems.length = 0; /* what was asked for as gale ended */
for (const one of [page, other]) {
  await part(one, 'Checks').getByRole('row', { name: /never/ }).waitFor();
  await part(one, 'Requests').getByText('/missing').first().waitFor();
  await part(one, 'Overall').getByRole('row', { name: /overall [0-9.]+ [0-9.]+/ }).waitFor();
  await one.getByText('Of the whole run').waitFor();
  await one.locator('ol[aria-label=Events] li', { hasText: 'seen <b>enough</b>' }).first().waitFor();
  assert.equal(await one.getByRole('button', { name: 'Stop', exact: true }).count(), 0);
  assert.equal(await one.getByText('Download').count(), 0);
}
await page.getByLabel('Contains').fill('no such line');
await page.getByText('0 lines').waitFor();
const chart = page.getByRole('group', { name: /^Requests per second/ });
await chart.focus();
await page.keyboard.press('+');
await page.waitForURL(/from=[0-9.]+&to=/);
await page.waitForTimeout(1000); /* would be enough for a request to fail */
await isSound(page, 'ended');
await page.screenshot({ path: `${folder}/dashboard-ended.png`, fullPage: true });
assert.equal(await page.evaluate(() => document.images.length + Number(!!globalThis.wasRun)), 0, 'a name became HTML');
assert.deepEqual(problems, []);
console.log('done');
await browser.close();
process.exit(0);
