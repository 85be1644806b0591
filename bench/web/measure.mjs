/* What the dashboard costs in a browser: node measure.mjs URL RUN [DAY], of a controller and a run that is going on
 * there, and a controller with the store that bench/store makes.
 * Prints a line for each of its figures. */
import { launch } from '../../tests/e2e/browser.mjs';
import { INFO, agentsOf, logOf, regionsOf, runOf, seriesOf, windowOf } from './synthetic.mjs';

const [url, run, dayUrl] = process.argv.slice(2);
const POINTS = 10_000;
const LIVE_SECONDS = 15;
const OPENED = 7; /* times */
const DAY = '01hs4m8vz6d1'; /* as bench/store has it */

const quantile = (list, q) => [...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(q * list.length))];
const round = (v) => Math.round(v * 10) / 10;

/* The page's main thread in milliseconds, of which a busy machine takes nothing away. */
async function meter(page) {
  const tools = await page.context().newCDPSession(page);
  await tools.send('Performance.enable', { timeDomain: 'threadTicks' });
  return async () => 1000 * (await tools.send('Performance.getMetrics')).metrics.find((m) => m.name === 'TaskDuration').value;
}

/* Intervals between frames, in milliseconds, while `work` goes on. */
async function framesOf(page, work) {
  const cpu = await meter(page);
  const before = await cpu();
  await page.evaluate(() => {
    globalThis.frames_ = [];
    let last = performance.now();
    const tick = (now) => { globalThis.frames_.push(now - last); last = now; globalThis.timer_ = requestAnimationFrame(tick); };
    globalThis.timer_ = requestAnimationFrame(tick);
  });
  const steps = await work();
  const used = await cpu() - before;
  const frames = (await page.evaluate(() => { cancelAnimationFrame(globalThis.timer_); return globalThis.frames_; })).slice(1);
  return { frames: frames.length, p50_ms: round(quantile(frames, 0.5)), p95_ms: round(quantile(frames, 0.95)),
    p99_ms: round(quantile(frames, 0.99)), over_20_ms_percent: round(100 * frames.filter((f) => f > 20).length / frames.length),
    cpu_ms_a_step: round(used / steps) };
}

/* Six charts of four lines with POINTS points each, panned by the pointer. */
async function manyPoints(browser) {
  const regions = regionsOf(3);
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  await page.route('**/api/v1/**', (route) => {
    const asked = new URL(route.request().url());
    const json = asked.pathname.endsWith('/info') ? INFO : asked.pathname.endsWith('/series') ? seriesOf(asked, regions, POINTS)
      : /\/runs\/[^/]+$/.test(asked.pathname) ? runOf({ id: 'bench0000000', phase: 'ended', regions, seconds: POINTS, agents: 3 })
        : { items: [], next: null, total: 0 };
    return route.fulfill({ json });
  });
  await page.goto(`${url}/runs/bench0000000?from=2000&to=8000`);
  await page.locator('figure.chart canvas').nth(5).waitFor();
  await page.waitForTimeout(1000);
  const box = await page.locator('figure.chart .u-over').first().boundingBox();
  const pan = async () => {
    await page.keyboard.down('Shift');
    await page.mouse.move(box.x + box.width / 2, box.y + 50);
    await page.mouse.down();
    for (let i = 0; i < 120; i++) await page.mouse.move(box.x + box.width / 2 + 60 * Math.sin(i / 15), box.y + 50);
    await page.mouse.up();
    await page.keyboard.up('Shift');
    return 120;
  };
  const figures = await framesOf(page, pan);
  await page.close();
  return figures;
}

/* 200 agents in 20 regions, and as many log lines as a stream may have. The stream is made within the page. */
async function manyAgents(browser) {
  const regions = regionsOf(20);
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  const live = runOf({ id: 'bench0000000', phase: 'running', regions, seconds: 300, agents: 200 });
  const snapshot = { run: live, series: { step: 1, t: [], overall: {}, regions: {} }, thresholds: { items: [] },
    agents: agentsOf(200, regions), events: [], logs: [] };
  await page.exposeFunction('nextOf', (t) => [['window', windowOf(t, regions)], ['agents', agentsOf(200, regions)],
    ...Array.from({ length: 50 }, (_, i) => ['log', logOf(t * 50 + i)])]);
  await page.addInitScript((first) => {
    const real = fetch;
    globalThis.fetch = (path, init) => {
      if (!String(path).includes('/live')) return real(path, init);
      let t = 0;
      const text = ([event, data]) => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
      const body = new ReadableStream({
        start(controller) {
          const encoder = new TextEncoder();
          controller.enqueue(encoder.encode(text(['snapshot', first])));
          setInterval(async () => {
            for (const event of await globalThis.nextOf(t++)) controller.enqueue(encoder.encode(text(event)));
          }, 1000);
        },
      });
      return Promise.resolve(new Response(body));
    };
  }, snapshot);
  await page.route('**/api/v1/**', (route) => {
    const { pathname } = new URL(route.request().url());
    return route.fulfill({ json: pathname.endsWith('/info') ? INFO : /\/runs\/[^/]+$/.test(pathname) ? live : { items: [], next: null, total: 0 } });
  });
  await page.goto(`${url}/runs/bench0000000`);
  await page.locator('figure.chart canvas').nth(5).waitFor();
  const figures = await framesOf(page, () => page.waitForTimeout(LIVE_SECONDS * 1000).then(() => LIVE_SECONDS));
  await page.close();
  return figures;
}

/* From the end of a second of a real run to the frame that shows it. */
async function sampleToScreen(browser) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  const started = page.waitForResponse((r) => r.url().endsWith(`/api/v1/runs/${run}`)).then((r) => r.json());
  await page.goto(`${url}/runs/${run}`);
  const start = Date.parse((await started).started_at);
  await page.getByRole('timer').waitFor();
  const delays = await page.evaluate(({ from, seconds }) => new Promise((resolve) => {
    const seen = [];
    const timer = document.querySelector('[role=timer]');
    let last = '';
    new MutationObserver(() => {
      const shown = /^(\d+):(\d+)/.exec(timer.textContent);
      if (shown[0] === last) return;
      last = shown[0];
      const end = from + (Number(shown[1]) * 60 + Number(shown[2])) * 1000;
      requestAnimationFrame(() => requestAnimationFrame(() => seen.push(Date.now() - end)));
    }).observe(timer, { characterData: true, subtree: true, childList: true });
    setTimeout(() => resolve(seen), seconds * 1000);
  }), { from: start, seconds: LIVE_SECONDS });
  await page.close();
  return { seconds: delays.length, p50_ms: quantile(delays, 0.5), max_ms: Math.max(...delays) };
}

/* From navigation to drawn charts, of the run of a day that bench/store made. */
async function aDayOpens(browser) {
  const times = [];
  const used = [];
  for (let i = 0; i < OPENED; i++) {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    const cpu = await meter(page);
    await page.addInitScript(() => {
      const watcher = new MutationObserver(() => {
        if (!document.querySelector('figure.chart canvas') || !/^2[34]:/.test(document.querySelector('[role=timer]')?.textContent ?? '')) return;
        watcher.disconnect();
        requestAnimationFrame(() => requestAnimationFrame(() => { globalThis.drawn_ = performance.now(); }));
      });
      watcher.observe(document, { childList: true, subtree: true, characterData: true });
    });
    await page.goto(`${dayUrl}/runs/${DAY}`);
    times.push(await (await page.waitForFunction(() => globalThis.drawn_)).jsonValue());
    used.push(await cpu());
    await page.close();
  }
  return { p50_ms: round(quantile(times, 0.5)), min_ms: round(Math.min(...times)), cpu_ms: round(quantile(used, 0.5)) };
}

const browser = await launch();
for (const measure of [sampleToScreen, manyPoints, manyAgents, ...(dayUrl ? [aDayOpens] : [])]) {
  const figures = Object.entries(await measure(browser)).map(([name, value]) => `${name} ${value}`);
  console.log(`${measure.name}: ${figures.join(', ')}`);
}
await browser.close();
