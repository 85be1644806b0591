/* What the dashboard offers to whom: node roles.mjs URL RUN TOKENS, of a run that is going on, and the tokens by role as JSON. */
import assert from 'node:assert';
import { launch } from './browser.mjs';

const [url, run, json] = process.argv.slice(2);
const tokens = JSON.parse(json);
const ROLES = ['share', 'viewer', 'runner', 'admin'];
const RANKS = [...ROLES, 'nobody'];
const LONG = { timeout: 60000 };

/* The least role that is offered each of these. */
const LIVE = { Share: 'runner', Edit: 'runner', Stop: 'runner' };
const ENDED = { Share: 'runner', Edit: 'runner', 'Run again': 'runner', Baseline: 'runner', Delete: 'admin' };

const browser = await launch();
const may = (role, least) => RANKS.indexOf(role) >= RANKS.indexOf(least);

async function isOffered(page, role, controls) {
  for (const [name, least] of Object.entries(controls))
    assert.equal(await page.getByRole('button', { name, exact: true }).count(), Number(may(role, least)), `${role}: ${name}`);
}

/* Signed in as people do it: by the form that comes when a token is missing, or by the link. */
async function open(role) {
  const context = await browser.newContext({ viewport: { width: 800, height: 600 } });
  const page = await context.newPage();
  const refused = [];
  await page.goto(role === 'share' ? `${url}/runs/${run}#share=${tokens.share}` : url);
  if (role !== 'share') {
    await page.getByLabel('The controller asks for its token').fill(tokens[role]);
    await page.getByRole('button', { name: 'Continue' }).click();
  }
  page.on('response', (r) => { if (r.status() === 403) refused.push(r.url()); });
  await page.getByText('For ever').first().waitFor();
  return { page, refused, close: () => context.close() };
}

const readers = {};
for (const role of ROLES) {
  const { page, refused } = readers[role] = await open(role);
  if (role !== 'share') assert.equal(await page.getByRole('link', { name: 'New run' }).count(), may(role, 'runner') ? 2 : 0);
  await page.goto(`${url}/new`);
  const instead = { share: 'A share link shows one run', viewer: 'needs the role runner. ana the viewer is a viewer.' };
  if (instead[role]) await page.getByText(instead[role]).waitFor();
  else await page.getByRole('button', { name: 'Run', exact: true }).waitFor();
  if (role === 'share') await page.getByRole('link', { name: 'here it is' }).click();
  else await page.goto(`${url}/runs/${run}`);
  await page.locator('.status.running').waitFor(LONG);
  await isOffered(page, role, { ...LIVE, 'Run again': 'nobody', Delete: 'nobody' });
  assert.equal(await page.getByRole('link', { name: 'New run' }).count(), Number(may(role, 'runner')));
  await page.getByText(role === 'share' ? 'by a share link' : `ana the ${role}, ${role}`).waitFor();
  assert.deepEqual(refused, [], role);
}

/* What is offered works, and all see it. */
const { page } = readers.runner;
await page.getByRole('button', { name: 'Edit' }).click();
await page.getByLabel('Name').fill('Not for ever');
await page.getByLabel('Notes').fill('<b>The deploy</b>\nof 20:01');
await page.getByRole('button', { name: 'Save' }).click();
await page.getByRole('heading', { name: 'Not for ever' }).waitFor();
await page.getByText('<b>The deploy</b>').waitFor();
await page.getByRole('button', { name: 'Stop', exact: true }).click();
await page.getByRole('button', { name: 'Stop the run' }).click();
for (const role of ROLES) {
  const reader = readers[role].page;
  await reader.locator('.status.aborted').waitFor(LONG);
  await isOffered(reader, role, { ...ENDED, Stop: 'nobody' });
  await reader.getByText('Stopped by ana the runner').waitFor();
  await reader.getByText('Download').click();
  const [download] = await Promise.all([reader.waitForEvent('download'), reader.getByRole('link', { name: /^All numbers/ }).click()]);
  assert.equal(await download.failure(), null, role);
  assert.deepEqual(readers[role].refused, [], role);
}

/* A token that is no good any more is asked for. */
await readers.viewer.page.getByRole('button', { name: 'Sign out' }).click();
await readers.viewer.page.getByLabel('The controller asks for its token').waitFor();

const admin = readers.admin.page;
await admin.getByRole('button', { name: 'Delete', exact: true }).click();
await admin.getByRole('button', { name: 'Keep it' }).click();
await admin.getByRole('button', { name: 'Delete', exact: true }).click();
await admin.getByRole('button', { name: 'Delete the run' }).click();
await admin.getByText('No run yet.').waitFor();
await readers.share.page.reload();
await readers.share.page.getByRole('alert').or(readers.share.page.getByLabel('The controller asks for its token')).waitFor();

console.log('done');
await browser.close();
process.exit(0);
