/* Drives the dashboard in Chromium: node web.mjs URL SCRIPT ARCHIVE BASE FOLDER. Screenshots and downloads go to the folder. Talks
 * with the test by lines: it says "kill", waits for a line, and goes on. */
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import assert from 'node:assert';
import { launch, require } from './browser.mjs';

const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const [url, script, archive, base, folder] = process.argv.slice(2);
const REGIONS = ['us-east-1', 'eu-central-1', 'ap-southeast-2'];
const MOST_SHIFT = 0.05; /* of the layout: web.dev calls 0.1 good */
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
const page = await context.newPage();
page.on('console', (m) => { if (m.type() === 'error') problems.push(m.text()); });
page.on('pageerror', (e) => problems.push(String(e)));

const shot = (name) => page.screenshot({ path: `${folder}/${name}.png` });
const button = (name) => page.getByRole('button', { name, exact: true });
const told = (line) => { console.log(line); return new Promise((resume) => process.stdin.once('data', resume)); };

/* Lets files fall on the page: [name, bytes as Latin-1] each. */
async function drop(...files) {
  const dropped = await page.evaluateHandle((list) => {
    const transfer = new DataTransfer();
    for (const [name, text] of list) transfer.items.add(new File([Uint8Array.from(text, (c) => c.charCodeAt(0))], name));
    return transfer;
  }, files);
  const where = page.getByRole('region', { name: 'Script', exact: true });
  await where.dispatchEvent('dragover', { dataTransfer: dropped });
  await page.locator('.card.over').waitFor();
  await where.dispatchEvent('drop', { dataTransfer: dropped });
  assert.equal(await page.locator('.card.over').count(), 0);
  await page.evaluate(() => { globalThis.shift_ = 0; }); /* what follows is asked for, as after a click */
}

/* Usable by who can't see or point, nothing jumped, and nothing that a peer named was taken for HTML. axe runs by the
 * debugger's evaluate, which the page's policy does not bind. */
async function isSound(where) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => globalThis.axe.run());
  const serious = found.violations.filter((v) => ['serious', 'critical'].includes(v.impact));
  assert.deepEqual(serious.map((v) => [where, v.id, v.nodes[0].html]), []);
  const shift = await page.evaluate(() => globalThis.shift_);
  assert(shift < MOST_SHIFT, `${where}: the layout shifted by ${shift}`);
  assert.equal(await page.evaluate(() => document.images.length + Number(!!globalThis.wasRun)), 0, `${where}: a name became HTML`);
}

/* --- the list, with a run whose names and lines are HTML --- */

await page.goto(url);
await page.getByRole('row', { name: /img src/ }).waitFor();
await isSound('runs');
await page.getByRole('link', { name: /img src/ }).click();
await page.locator('figure.chart canvas').nth(5).waitFor();
await page.locator('ol[aria-label="Log lines"] li', { hasText: '<img src=x' }).first().waitFor();
await page.getByLabel('Level').selectOption('error');
await page.getByText('0 lines').waitFor();
await page.getByRole('region', { name: 'The target’s series' }).getByText('queue{pool="<img src=x>"}').waitFor();
await page.getByRole('group', { name: /^shop: queue/ }).first().waitFor();
await isSound('stored run');

/* --- a new run --- */

await page.getByRole('link', { name: 'New run' }).first().click();
for (const region of REGIONS) await page.getByLabel(`Use ${region}`).check();
await page.getByLabel('Share of us-east-1').fill('44');
await page.getByText('add up to 110 %').waitFor();
assert(await button('Run').isDisabled());
await page.getByLabel('Share of us-east-1').fill('34');
writeFileSync(`${folder}/broken.js`, 'export default function () {\n  let = ;\n}\n');
await page.setInputFiles('input[type=file]', `${folder}/broken.js`);
await page.getByRole('alert').getByText('line 2').waitFor();
await page.locator('.editor .mark').waitFor();
assert.equal(await page.locator('.editor .mark').evaluate((mark) => mark.style.transform), 'translateY(20px)');

/* More than the controller takes is not sent; what is dropped, or of many files, is taken as what is chosen. */
const sent = [];
page.on('request', (r) => { if (r.url().includes('/inspect')) sent.push(r.url()); });
writeFileSync(`${folder}/large.js`, '');
truncateSync(`${folder}/large.js`, 64 * 1024 * 1024 + 1);
await page.setInputFiles('input[type=file]', `${folder}/large.js`);
await page.getByRole('alert').getByText('64 MB is the most').waitFor();
assert.deepEqual(sent, []);
await drop(['broken.js', 'export default function () {\n\n  let = ;\n}\n']);
await page.getByRole('alert').getByText('broken.js, line 3').waitFor();
assert.equal(await page.getByText('64 MB is the most').count(), 0);
await drop(['one.js', 'export default function () {}'], ['two.js', '']);
await page.getByRole('alert').getByText('One file').waitFor();
await drop(['image.js', '\0\0']);
await page.getByRole('alert').getByText('neither a script').waitFor();
await drop(['dropped.ts', 'export const options = { scenarios: { dropped: { executor: "shared-iterations", vus: 3, iterations: 9 } } };\nexport default function (): void {}\n']);
await page.getByRole('cell', { name: 'shared-iterations' }).waitFor();
await page.getByRole('textbox', { name: 'dropped.ts' }).waitFor();
await drop(['several.tar', readFileSync(archive).toString('latin1')]);
await page.getByRole('group', { name: 'What the script says' }).getByText('ramping-vus').waitFor();
assert.equal(await page.getByRole('textbox', { name: 'several.tar' }).count(), 0);
await page.setInputFiles('input[type=file]', { name: 'broken.tar', mimeType: 'application/x-tar', buffer: Buffer.from('no archive') });
await page.getByRole('alert').getByText('archive').first().waitFor();

writeFileSync(`${folder}/huge.js`, 'export const options = { vus: 90000, duration: "1m" };\nexport default function () {}\n');
await page.setInputFiles('input[type=file]', `${folder}/huge.js`);
await page.getByText('90,000').first().waitFor();
await button('What would it use?').click();
await page.getByRole('alert').getByText('eu-central-1').first().waitFor();
await page.setInputFiles('input[type=file]', script);
await page.getByRole('group', { name: 'What the script says' }).getByText('ramping-vus').waitFor();
assert.equal(await page.getByRole('alert').count(), 0);
await button('Add a variable').click();
await page.getByLabel('Name of variable 1').fill('BASE');
await page.getByLabel('Value of BASE').fill(base);
await page.getByLabel('Name of this run').fill('Three regions');
await button('What would it use?').click();
await page.getByRole('status', { name: 'Plan' }).getByText('us-east-1-a').waitFor();
problems.length = 0; /* the browser logs the status of what was refused */
await isSound('new run');
await shot('new-run');
await button('Run').click();

/* --- live --- */

await page.getByRole('heading', { name: 'Three regions' }).waitFor(LONG);
await page.waitForFunction(() => /^0:0[5-9]|^0:[1-9]/.test(document.querySelector('[role=timer]')?.textContent ?? ''), null, LONG);
assert.equal(await page.locator('figure.chart canvas').count(), 6);
for (const region of REGIONS) {
  const cells = await page.getByRole('region', { name: 'Regions' }).getByRole('row', { name: new RegExp(`^${region}`) }).getByRole('cell').allTextContents();
  assert.match(cells[0], /emulated/);
  assert(Number(cells[3]) > 0 && Number(cells[5]) > 0, `${region}: ${cells}`);
}
await page.getByRole('region', { name: 'Requests' }).getByText('/products').first().waitFor();
await told('kill');
await page.locator('ol[aria-label=Events] b', { hasText: /agent.lost/ }).first().waitFor(LONG);
await isSound('run');
await shot('live-run');

/* --- zooming, which the address keeps --- */

const chart = page.getByRole('group', { name: /^Requests per second/ });
await chart.focus();
await page.keyboard.press('+');
await page.waitForURL(/from=[0-9.]+&to=/);
await page.keyboard.press('0');
await page.waitForURL((at) => !at.search.includes('from='));
const plot = await chart.locator('.u-over').boundingBox();
await page.mouse.move(plot.x + 0.2 * plot.width, plot.y + 20);
await page.mouse.down();
await page.mouse.move(plot.x + 0.8 * plot.width, plot.y + 20, { steps: 4 });
await page.mouse.up();
await page.waitForURL(/from=[0-9.]+&to=/);
await page.getByRole('checkbox', { name: 'eu-central-1' }).uncheck();
assert.deepEqual(new URL(page.url()).searchParams.getAll('region'), ['us-east-1', 'ap-southeast-2']);

/* --- stop --- */

await button('Stop').click();
await page.getByLabel('Reason').fill('<img src=x onerror="wasRun = true">');
await button('Stop the run').click();
await page.locator('.status.aborted').waitFor(LONG);
await page.reload();
await page.locator('.status.aborted').waitFor();
assert(!await page.getByRole('checkbox', { name: 'eu-central-1' }).isChecked());
await button('Everything').click();
await page.getByRole('checkbox', { name: 'eu-central-1' }).check();
await isSound('stopped run');

/* --- what the lines are at under the pointer, and not while it pans --- */

const p95 = page.getByRole('group', { name: /^p\(95\)/ });
const field = await p95.locator('.u-over').boundingBox();
await page.mouse.move(field.x + 0.4 * field.width, field.y + 30);
const values = p95.locator('.tip b');
await values.first().waitFor();
for (const text of await values.allTextContents()) assert.match(text, /^([0-9.,]+ ms|–)$/);
assert.equal(await values.count(), 1 + REGIONS.length);
const tip = await p95.locator('.tip').boundingBox();
assert(tip.x >= field.x - 1 && tip.x + tip.width <= field.x + field.width + 1, 'the box leaves the chart');
assert.deepEqual(await page.getByRole('group', { name: /^Virtual users/ }).locator('.tip b').filter({ visible: true }).count(), 1);
await page.keyboard.down('Shift');
await page.mouse.down();
await page.mouse.move(field.x + 0.5 * field.width, field.y + 30);
assert(!await p95.locator('.tip').isVisible());
await page.mouse.up();
await page.keyboard.up('Shift');
await page.mouse.move(0, 0);

/* --- a link for anybody --- */

await button('Share').click();
await button('Make it').click();
const link = await page.getByRole('textbox', { name: 'For anybody who has it' }).inputValue();
assert.match(link, /#share=./);
const guest = await browser.newContext();
const theirs = await guest.newPage();
await theirs.goto(link);
await theirs.getByRole('heading', { name: 'Three regions' }).waitFor();
assert(!theirs.url().includes('share'), 'the token stays in the address');
await guest.close();
await button('Close').click();

/* --- the report, opened from disk --- */

await page.getByText('Download').click();
const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: /^Report/ }).click()]);
await download.saveAs(`${folder}/report.html`);
const report = await context.newPage();
await report.goto(pathToFileURL(`${folder}/report.html`).href);
await report.getByRole('heading', { name: 'Three regions' }).waitFor();
assert.equal(await report.locator('figure.chart canvas').count(), 6);
await report.close();
await page.getByText('Download').click();

/* --- sizes --- */

await page.setViewportSize({ width: 400, height: 800 });
assert(await page.evaluate(() => document.documentElement.scrollWidth <= 400), 'wider than 400 px');
await shot('phone');
await page.setViewportSize({ width: 3840, height: 2160 });
await page.waitForTimeout(500);
await shot('4k');
await page.setViewportSize({ width: 1280, height: 900 });
await page.emulateMedia({ colorScheme: 'dark' });
await page.locator('figure.chart canvas').nth(5).waitFor();
await isSound('run, dark');
await shot('dark');
await page.emulateMedia({ colorScheme: 'light' });

/* --- two runs --- */

await page.getByRole('link', { name: 'Runs' }).first().click();
await page.getByRole('checkbox', { name: /^Compare/ }).nth(1).check();
await page.getByRole('checkbox', { name: /^Compare/ }).nth(0).check();
await page.getByRole('link', { name: 'Compare the two' }).click();
await page.locator('figure.chart canvas').nth(5).waitFor();
await page.getByRole('region', { name: 'Differences' }).getByRole('cell', { name: 'http_req_duration' }).first().waitFor();
await isSound('compare');
await shot('compare');

assert.deepEqual(problems, []);
console.log('done');
await browser.close();
process.exit(0);
