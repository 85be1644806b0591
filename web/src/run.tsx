import { useEffect, useState } from 'preact/hooks';
import { call, follow, type Agent, type Event, type Key, type LiveWindow, type Log, type Run, type Series, type Snapshot, type Threshold } from './api';
import { Chart, show, type Line } from './chart';
import { Failure, Status } from './main';
import { WorldMap } from './map';

const CHARTS: [Key, string, string, number][] = [
  ['vus', 'Virtual users', '', 1], ['rps', 'Requests per second', '/s', 1], ['p50', 'p(50)', 'ms', 1],
  ['p95', 'p(95)', 'ms', 1], ['p99', 'p(99)', 'ms', 1], ['failed', 'Failed requests', '%', 100],
];
const KEYS = CHARTS.map((c) => c[0]);
const MOST_POINTS = 10000, MOST_LINES = 1000;

interface State { run?: Run; series: Series; events: Event[]; logs: Log[]; thresholds: Threshold[]; agents: Agent[]; isLive: boolean; version: number }
const empty = (): State => ({ series: { t: [], overall: {}, regions: {} }, events: [], logs: [], thresholds: [], agents: [], isLive: false, version: 0 });

/* A second that was there before is replaced: late windows. */
function put(s: Series, w: LiveWindow) {
  let at = s.t.length;
  while (at > 0 && s.t[at - 1] >= w.t) at--;
  const isNew = s.t[at] !== w.t;
  if (isNew) s.t.splice(at, 0, w.t);
  const names = new Set([...Object.keys(s.regions), ...Object.keys(w.regions)]);
  const rows = [[s.overall, w.overall] as const, ...[...names].map((n) => [(s.regions[n] ??= {}), w.regions[n]] as const)];
  for (const [columns, values] of rows) {
    for (const key of KEYS) {
      const column = (columns[key] ??= []);
      while (column.length < s.t.length - (isNew ? 1 : 0)) column.push(null);
      column.splice(at, isNew ? 0 : 1, values?.[key] ?? null);
      if (s.t.length > MOST_POINTS) column.shift();
    }
  }
  if (s.t.length > MOST_POINTS) s.t.shift();
}

export function useRun(id: string): [State, unknown] {
  const [state, setState] = useState(empty);
  const [error, setError] = useState<unknown>();
  useEffect(() => follow(id, (event, data) => setState((old) => {
    const s = { ...old, version: old.version + 1 };
    setError(undefined);
    switch (event) {
      case 'snapshot': {
        const n = data as Snapshot;
        s.run = n.run;
        s.series = n.series ?? empty().series;
        s.thresholds = n.thresholds.items; s.agents = n.agents.items; s.events = n.events; s.logs = n.logs;
        s.isLive = n.run.phase !== 'ended';
        break;
      }
      case 'window': put(s.series, data as LiveWindow); break;
      case 'phase': s.run = { ...s.run!, ...(data as Partial<Run>) }; break;
      case 'event': s.events = [...s.events, data as Event].slice(-MOST_LINES); break;
      case 'log': s.logs = [...s.logs, data as Log].slice(-MOST_LINES); break;
      case 'thresholds': s.thresholds = (data as { items: Threshold[] }).items; break;
      case 'agents': s.agents = (data as { items: Agent[] }).items; break;
      case 'end': s.run = data as Run; s.isLive = false; break;
    }
    return s;
  }), setError), [id]);
  return [state, error];
}

const scaled = (list: (number | null)[] | undefined, by: number) => (by === 1 ? list ?? [] : (list ?? []).map((v) => (v == null ? null : v * by)));
const lastOf = (list?: (number | null)[]) => list?.findLast((v) => v != null) ?? null;

function Charts({ state, label }: { state: State; label: (region: string) => string }) {
  const { series } = state;
  return <div class="charts">{CHARTS.map(([key, title, unit, by]) => {
    const lines: Line[] = [{ label: 'overall', values: scaled(series.overall[key], by) },
      ...Object.keys(series.regions).map((r) => ({ label: label(r), values: scaled(series.regions[r][key], by) }))];
    return <Chart key={key} title={title} unit={unit} t={series.t} lines={lines} events={state.events} sync="run" />;
  })}</div>;
}

function Logs({ logs }: { logs: Log[] }) {
  const [text, setText] = useState('');
  const [level, setLevel] = useState('');
  const shown = logs.filter((l) => (!level || l.level === level) && (!text || `${l.region} ${l.message}`.toLowerCase().includes(text.toLowerCase())));
  return (
    <section class="card"><h2>Logs</h2>
      <p class="filters"><label>Contains <input value={text} onInput={(e) => setText(e.currentTarget.value)} /></label>{' '}
        <label>Level <select value={level} onChange={(e) => setLevel(e.currentTarget.value)}><option value="">all</option>{['error', 'warn', 'info', 'debug'].map((l) => <option key={l}>{l}</option>)}</select></label>{' '}
        {shown.length} of {logs.length}</p>
      <ol class="lines" tabIndex={0} aria-label="Log lines">{shown.slice(-200).map((l) => <li key={l.id} class={l.level}>{l.at?.slice(11, 19)} <b>{l.level}</b> {l.region} {l.message}</li>)}</ol>
    </section>
  );
}

export function RunPage({ id }: { id: string }) {
  const [state, error] = useRun(id);
  const [stopError, setStopError] = useState<unknown>();
  const { run, series } = state;
  if (!run) return <><h1>Run</h1><Failure error={error} />{!error && <p>Loading …</p>}</>;
  const emulated = new Set(run.regions.filter((r) => r.is_emulated).map((r) => r.region));
  const label = (r: string) => (emulated.has(r) ? `${r} (emulated)` : r);
  const stop = () => call(`/runs/${id}/stop`, { method: 'POST', body: '{"reason":"stopped from the dashboard"}', headers: { 'Content-Type': 'application/json' } }).catch(setStopError);
  const value = (region: string, key: Key, by = 1) => { const v = lastOf(series.regions[region]?.[key]); return v == null ? '–' : show(v * by); };
  return (
    <>
      <div class="row"><h1>{run.name || run.id}</h1><Status run={run} /><span class="hint" role="timer">{series.t.length ? `${series.t.at(-1)! + 1} s` : '0 s'} of {Math.round(run.duration_seconds)} s, up to {run.max_vus} VUs</span>
        {state.isLive && <button class="danger" onClick={stop}>Stop</button>}</div>
      <Failure error={error ?? stopError} />
      <Charts state={state} label={label} />
      <p class="hint">Drag over a chart to zoom all; double-click to see everything.</p>
      <div class="two">
        <section class="card"><h2>Regions</h2>
          <WorldMap dots={run.regions.map((r) => ({ name: r.region, latency: lastOf(series.regions[r.region]?.p95), note: r.is_emulated ? 'emulated' : '' }))} />
          <div class="scroll" tabIndex={0} role="region" aria-label="Regions"><table><thead><tr><th>Region</th><th class="n">Share</th><th class="n">VUs</th><th class="n">req/s</th><th class="n">p(50) ms</th><th class="n">p(95) ms</th><th class="n">p(99) ms</th><th class="n">Failed %</th><th class="n">Agents (lost)</th></tr></thead>
            <tbody>{run.regions.map((r) => <tr key={r.region}><td>{label(r.region)}</td><td class="n">{show(r.share)} %</td><td class="n">{value(r.region, 'vus')}</td><td class="n">{value(r.region, 'rps')}</td><td class="n">{value(r.region, 'p50')}</td><td class="n">{value(r.region, 'p95')}</td><td class="n">{value(r.region, 'p99')}</td><td class="n">{value(r.region, 'failed', 100)}</td><td class="n">{r.agents} ({r.agents_lost})</td></tr>)}</tbody></table></div>
        </section>
        <section class="card"><h2>Timeline</h2>
          <ol class="lines" tabIndex={0} aria-label="Events">{state.events.map((e) => <li key={e.id} class={e.severity}>{e.second == null ? 'before' : `${e.second} s`} <b>{e.kind}</b> {e.message}</li>)}</ol>
        </section>
        <section class="card"><h2>Thresholds</h2>
          {state.thresholds.length === 0 ? <p>The script has none.</p> : <div class="scroll" tabIndex={0} role="region" aria-label="Thresholds"><table><thead><tr><th>Metric</th><th>Threshold</th><th class="n">Value</th><th>Holds</th></tr></thead>
            <tbody>{state.thresholds.map((t) => <tr key={t.metric + t.expression}><td>{t.metric}</td><td>{t.expression}</td><td class="n">{show(t.value)}</td><td class={t.ok ? 'good' : 'bad'}>{t.ok ? '✓ yes' : '✗ no'}</td></tr>)}</tbody></table></div>}
        </section>
        <section class="card"><h2>Agents</h2>
          {state.agents.length === 0 ? <p>None works on this run now.</p> : <div class="scroll" tabIndex={0} role="region" aria-label="Agents"><table><thead><tr><th>Agent</th><th>Region</th><th>State</th><th class="n">CPU %</th><th class="n">Lag ms</th><th class="n">Memory MB</th><th>Saturated</th></tr></thead>
            <tbody>{state.agents.map((a) => <tr key={a.id}><td>{a.id}</td><td>{a.region}{a.emulate ? ' (emulated)' : ''}</td><td>{a.state}</td><td class="n">{show(a.cpu_percent)}</td><td class="n">{show(a.loop_lag_ms)}</td><td class="n">{Math.round(a.memory_bytes / 1e6)}</td><td class={a.is_saturated ? 'bad' : ''}>{a.is_saturated ? 'yes' : 'no'}</td></tr>)}</tbody></table></div>}
        </section>
      </div>
      <Logs logs={state.logs} />
    </>
  );
}

export function Compare() {
  const query = new URLSearchParams(location.search);
  const [a, errorA] = useRun(query.get('a') ?? '');
  const [b, errorB] = useRun(query.get('b') ?? '');
  const length = Math.max(a.series.t.length ? a.series.t.at(-1)! + 1 : 0, b.series.t.length ? b.series.t.at(-1)! + 1 : 0);
  const t = Array.from({ length }, (_, i) => i);
  const spread = (s: Series, key: Key, by: number) => {
    const out: (number | null)[] = new Array(length).fill(null);
    s.t.forEach((second, i) => { const v = s.overall[key]?.[i]; out[second] = v == null ? null : v * by; });
    return out;
  };
  return (
    <><h1>Two runs</h1><Failure error={errorA ?? errorB} />
      <p>A: <a href={`/runs/${a.run?.id}`}>{a.run?.name || a.run?.id}</a> {a.run && <Status run={a.run} />} · B: <a href={`/runs/${b.run?.id}`}>{b.run?.name || b.run?.id}</a> {b.run && <Status run={b.run} />}</p>
      <div class="charts">{CHARTS.map(([key, title, unit, by]) => <Chart key={key} title={title} unit={unit} t={t} sync="compare"
        lines={[{ label: 'A', values: spread(a.series, key, by) }, { label: 'B', values: spread(b.series, key, by) }]} />)}</div></>
  );
}
