/* The tables of what a run measured. */
import type {
  Check, CheckCount, ErrorRow, Exemplar, Key, Nullable, Run, RunAgent, RunRegion, Threshold, UrlRow,
} from '../api/types';
import type { RegionValues, ValuesOf } from '../data/region_values';
import { clock, number, percent, withUnit } from './format';
import { Table, type Column } from './table';

type Label = (region: string) => string;

/* --- regions --- */

interface RegionRow { name: string; region?: RunRegion; values: RegionValues }

export function RegionsTable({ run, valuesOf, label }: { run: Run; valuesOf: ValuesOf; label: Label }) {
  const measure = (title: string, key: Key, show = number): Column<RegionRow> =>
    ({ title, isNumber: true, cell: (row) => show(row.values[key]), order: (row) => row.values[key] ?? null });
  const rows: RegionRow[] = [
    { name: 'overall', values: valuesOf(null) },
    ...run.regions.map((region) => ({ name: region.region, region, values: valuesOf(region.region) })),
  ];
  const isSplit = run.regions.length > 0;
  const ofRegion = (column: Column<RegionRow>): Column<RegionRow>[] => (isSplit ? [column] : []);
  const columns: Column<RegionRow>[] = [
    { title: isSplit ? 'Region' : 'Of', cell: (r) => (r.region ? <span class="long">{label(r.name)}</span> : <b>overall</b>), order: (r) => r.name },
    ...ofRegion({ title: 'Share', isNumber: true, cell: (r) => (r.region ? `${number(r.region.share)} %` : ''), order: (r) => r.region?.share ?? null }),
    measure('VUs', 'vus'),
    measure('Req/s', 'rps'),
    measure('p(50) ms', 'p50'),
    measure('p(95) ms', 'p95'),
    measure('p(99) ms', 'p99'),
    measure('Failed', 'failed', percent),
    ...ofRegion({ title: 'Agents', isNumber: true, cell: (r) => agentsText(r.region), order: (r) => r.region?.agents ?? null }),
  ];
  return <Table label={isSplit ? 'Regions' : 'Overall'} columns={columns} rows={rows} rowKey={(r) => r.name} />;
}

const agentsText = (r?: RunRegion) => (!r ? '' : r.agents_lost ? <>{r.agents} <span class="bad">({r.agents_lost} lost)</span></> : r.agents);

/* --- thresholds --- */

export function ThresholdsTable({ thresholds }: { thresholds: Threshold[] }) {
  const columns: Column<Threshold>[] = [
    { title: 'Metric', cell: (t) => <span class="long">{t.metric}</span>, order: (t) => t.metric },
    { title: 'Threshold', cell: (t) => t.expression },
    { title: 'Value', isNumber: true, cell: (t) => withUnit(t.value, t.unit), order: (t) => t.value },
    { title: 'Holds', cell: (t) => <span class={t.ok ? 'good' : 'bad'}>{t.ok ? '✓ yes' : '✗ no'}</span>, order: (t) => Number(t.ok) },
    { title: 'Crossed at', isNumber: true, cell: (t) => (t.crossed_at_second == null ? '' : clock(t.crossed_at_second)),
      order: (t) => t.crossed_at_second ?? null },
  ];
  return <Table label="Thresholds" columns={columns} rows={thresholds} rowKey={(t) => t.metric + t.expression} empty="The script has none." />;
}

/* --- requests --- */

const statusText = (status: string) => (status === '0' ? 'no response' : status);

export function UrlsTable({ urls, label }: { urls: UrlRow[]; label: Label }) {
  const measure = (title: string, key: 'count' | 'rps' | 'avg' | 'p50' | 'p95' | 'p99' | 'max'): Column<UrlRow> =>
    ({ title, isNumber: true, cell: (u) => number(u[key]), order: (u) => u[key] });
  const columns: Column<UrlRow>[] = [
    { title: 'Method', cell: (u) => u.method, order: (u) => u.method },
    { title: 'Name', cell: (u) => <span class="long url">{u.name}</span>, order: (u) => u.name },
    { title: 'Status', cell: (u) => statusText(u.status), order: (u) => u.status },
    { title: 'Region', cell: (u) => (u.region ? label(u.region) : 'overall'), order: (u) => u.region ?? '' },
    measure('Count', 'count'),
    measure('per s', 'rps'),
    { title: 'Failed', isNumber: true, cell: (u) => percent(u.failed), order: (u) => u.failed },
    measure('avg ms', 'avg'),
    measure('p(50)', 'p50'),
    measure('p(95)', 'p95'),
    measure('p(99)', 'p99'),
    measure('max', 'max'),
  ];
  return (
    <Table label="Requests" columns={columns} rows={urls} empty="No request yet."
      rowKey={(u) => [u.method, u.name, u.status, u.region].join(' ')} rowClass={(u) => (u.failed > 0 ? 'has-failures' : undefined)} />
  );
}

export function ErrorsTable({ errors, regions, label }: { errors: ErrorRow[]; regions: string[]; label: Label }) {
  const columns: Column<ErrorRow>[] = [
    { title: 'Code', cell: (e) => e.error_code, order: (e) => e.error_code },
    { title: 'Error', cell: (e) => <span class="long">{e.error || (e.status === '0' ? 'no response' : `status ${e.status}`)}</span>, order: (e) => e.error },
    { title: 'Method', cell: (e) => e.method, order: (e) => e.method },
    { title: 'Name', cell: (e) => <span class="long url">{e.name}</span>, order: (e) => e.name },
    { title: 'Count', isNumber: true, cell: (e) => number(e.count), order: (e) => e.count },
    { title: 'First', isNumber: true, cell: (e) => clock(e.first_second), order: (e) => e.first_second },
    { title: 'Last', isNumber: true, cell: (e) => clock(e.last_second), order: (e) => e.last_second },
    ...regions.map((r): Column<ErrorRow> =>
      ({ title: label(r), isNumber: true, cell: (e) => number(e.regions[r] ?? 0), order: (e) => e.regions[r] ?? 0 })),
  ];
  return <Table label="Errors" columns={columns} rows={errors} empty="None."
    rowKey={(e) => [e.error_code, e.error, e.status, e.method, e.name].join(' ')} />;
}

export function ChecksTable({ checks, regions, label }: { checks: Check[]; regions: string[]; label: Label }) {
  const rate = (c?: CheckCount): Nullable => (c && c.passes + c.fails > 0 ? c.passes / (c.passes + c.fails) : null);
  const columns: Column<Check>[] = [
    { title: 'Check', cell: (c) => <span class="long">{c.name}</span>, order: (c) => c.name },
    { title: 'Group', cell: (c) => c.group.replace(/^::/, '').replaceAll('::', ' › '), order: (c) => c.group },
    { title: 'Passed', isNumber: true, cell: (c) => number(c.passes), order: (c) => c.passes },
    { title: 'Failed', isNumber: true, cell: (c) => <span class={c.fails ? 'bad' : ''}>{number(c.fails)}</span>, order: (c) => c.fails },
    { title: 'Rate', isNumber: true, cell: (c) => percent(rate(c)), order: rate },
    ...regions.map((r): Column<Check> =>
      ({ title: label(r), isNumber: true, cell: (c) => percent(rate(c.regions[r])), order: (c) => rate(c.regions[r]) })),
  ];
  return <Table label="Checks" columns={columns} rows={checks} rowKey={(c) => c.path} empty="The script has none." />;
}

/* --- single requests --- */

const PHASES = ['blocked', 'connecting', 'tls_handshaking', 'sending', 'waiting', 'receiving'];

const phasesText = (phases: Record<string, number>) =>
  PHASES.filter((p) => phases[p] >= 0.1).map((p) => `${p.replace('_', ' ')} ${number(phases[p])}`).join(', ');

/* `link` has {trace_id} where the id goes; only http and https become links. */
function TraceLink({ id, link }: { id: string | null; link: string }) {
  if (!id) return <>–</>;
  const href = link.replaceAll('{trace_id}', encodeURIComponent(id));
  return link.includes('{trace_id}') && /^https?:\/\//.test(href)
    ? <a href={href} target="_blank" rel="noreferrer">{id}</a> : <code>{id}</code>;
}

export function ExemplarsTable({ exemplars, label, traceLink }: { exemplars: Exemplar[]; label: Label; traceLink: string }) {
  const columns: Column<Exemplar>[] = [
    { title: 'At', isNumber: true, cell: (e) => clock(e.second), order: (e) => e.second },
    { title: 'Kind', cell: (e) => <span class={e.kind === 'failed' ? 'bad' : ''}>{e.kind}</span>, order: (e) => e.kind },
    { title: 'Region', cell: (e) => <span class="long">{label(e.region)}</span>, order: (e) => e.region },
    { title: 'Request', cell: (e) => <span class="long url">{e.method} {e.url}</span>, order: (e) => e.url },
    { title: 'Status', cell: (e) => statusText(e.status) + (e.error_code ? ` (${e.error_code})` : ''), order: (e) => e.status },
    { title: 'ms', isNumber: true, cell: (e) => number(e.duration), order: (e) => e.duration },
    { title: 'Phases, ms', cell: (e) => phasesText(e.phases) },
    { title: 'VU', isNumber: true, cell: (e) => `${e.vu} / ${e.iteration}`, order: (e) => e.vu },
    { title: 'Trace', cell: (e) => <TraceLink id={e.trace_id} link={traceLink} /> },
  ];
  return <Table label="Slow and failed requests" columns={columns} rows={exemplars} rowKey={(e) => e.id} empty="None stands out." />;
}

/* --- agents --- */

export function AgentsTable({ agents, label }: { agents: RunAgent[]; label: Label }) {
  const columns: Column<RunAgent>[] = [
    { title: 'Agent', cell: (a) => <span class="long">{a.id}</span>, order: (a) => a.id },
    { title: 'Region', cell: (a) => <span class="long">{label(a.region) + (a.zone ? `, ${a.zone}` : '')}</span>, order: (a) => a.region },
    { title: 'State', cell: (a) => <span class={['lost', 'failed', 'fenced'].includes(a.state) ? 'bad' : ''}>{a.state}</span>, order: (a) => a.state },
    { title: 'VUs', isNumber: true, cell: (a) => number(a.vus), order: (a) => a.vus ?? null },
    { title: 'CPU %', isNumber: true, cell: (a) => number(a.cpu_percent), order: (a) => a.cpu_percent },
    { title: 'Loop lag ms', isNumber: true, cell: (a) => number(a.loop_lag_ms), order: (a) => a.loop_lag_ms },
    { title: 'Memory MB', isNumber: true, cell: (a) => number(a.memory_bytes == null ? null : Math.round(a.memory_bytes / 1e6)), order: (a) => a.memory_bytes },
    { title: 'Saturated', cell: (a) => saturation(a), order: (a) => a.saturated_seconds ?? Number(a.is_saturated) },
  ];
  return <Table label="Agents" columns={columns} rows={agents} rowKey={(a) => a.id} empty="None works on this run now." />;
}

function saturation(a: RunAgent) {
  const seconds = a.saturated_seconds ? ` ${a.saturated_seconds} s` : '';
  return a.is_saturated || seconds ? <span class="bad">{a.is_saturated ? 'now' : 'was'}{seconds}</span> : 'no';
}
