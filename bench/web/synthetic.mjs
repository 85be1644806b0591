/* Answers of the controller's API for runs that would take hours or hundreds of machines to make. */

const KEYS = ['vus', 'rps', 'p50', 'p95', 'p99', 'failed'];
const wave = (t, i) => 50 + 30 * Math.sin(t / (40 + i)) + 10 * Math.sin(t * (1 + i));

export const regionsOf = (count) => Array.from({ length: count }, (_, i) => `region-${i + 1}`);

export const INFO = { version: 'bench', caller: { id: '000000000000', name: 'bench', role: 'admin', run: null },
  limits: { upload_bytes: 67108864 } };

export function runOf({ id, phase, regions, seconds, agents }) {
  return {
    id, test: { id: 'benchtest000', name: 'bench', version: 1 }, name: 'bench', notes: '', labels: {}, phase,
    result: phase === 'ended' ? 'passed' : null, exit_code: phase === 'ended' ? 0 : null, stop: null,
    created_at: new Date().toISOString(), created_by: 'bench', started_at: new Date().toISOString(), ended_at: null,
    elapsed_seconds: seconds, duration_seconds: seconds, load: 'total', max_vus: 1000, env: {}, tags: {},
    on_region_lost: 'continue', is_baseline: false, rerun_of: null,
    regions: regions.map((region) => ({ region, share: 100 / regions.length, max_vus: 100, agents: agents / regions.length,
      agents_lost: 0, is_emulated: false })),
    latency_metric: 'http_req_duration', totals: null, windows: { merged: 0, late: 0, lost: 0 }, links: {},
  };
}

/* The answer to querySeries: a row per second. */
export function seriesOf(url, regions, seconds) {
  const aggs = url.searchParams.get('agg').split(',');
  const names = url.searchParams.get('by') ? regions : [null];
  const t = Array.from({ length: seconds }, (_, i) => i);
  const columns = names.flatMap((by) => aggs.map((agg) => ({ by, agg })));
  return { metric: url.searchParams.get('metric'), type: 'trend', unit: 'ms', from: 0, to: seconds, step: 1, t, columns,
    values: columns.map((_, i) => t.map((second) => wave(second, i))) };
}

export const windowOf = (t, regions) => ({
  t, is_late: false, overall: Object.fromEntries(KEYS.map((k, i) => [k, wave(t, i)])),
  regions: Object.fromEntries(regions.map((r, j) => [r, Object.fromEntries(KEYS.map((k, i) => [k, wave(t, i + j)]))])),
});

export const agentsOf = (count, regions) => ({ items: Array.from({ length: count }, (_, i) => ({
  id: `agent-${i}`, region: regions[i % regions.length], zone: null, state: 'running', vus: 5, segment: null,
  cpu_percent: wave(Date.now() / 1000, i), loop_lag_ms: 0.1, memory_bytes: 5e7, dropped_iterations: 0, is_saturated: false,
  saturated_seconds: 0, clock_offset_ms: 0.1, last_window_second: 1, windows_lost: 0 })) });

export const logOf = (id) => ({ id, at: new Date().toISOString(), second: 1, level: 'info', source: 'console', region: 'region-1',
  agent: 'agent-1', message: `line ${id} of a script that says much`, vu: 1, iteration: id, left_out: 0 });
