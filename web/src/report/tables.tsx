/* The tables that are made of the whole run's summary. */
import type { Nullable } from '../api/types';
import { number, percent } from '../components/format';
import { Table, type Column } from '../components/table';
import type { MetricSummary, MetricValues, Report } from './types';

type Label = (region: string) => string;

/* --- metrics --- */

const STATS = ['avg', 'min', 'med', 'p(90)', 'p(95)', 'p(99)', 'max'] as const;

const UNIT = { time: ' ms', data: ' B', default: '' };

/* What targets told of themselves (--scrape). */
const ofTarget = (m: MetricSummary) => m.name.startsWith('scrape:');

/* What gale measures of itself comes last. */
const ofGale = (m: MetricSummary) => m.name.startsWith('load_generator_');

/* What the metric says in a word: a trend's values have columns of their own. */
function gist({ type, contains, overall }: MetricSummary): string {
  const unit = UNIT[contains];
  switch (type) {
    case 'counter': return `${number(overall.count)}${unit}, ${number(overall.rate)}${unit}/s`;
    case 'gauge': return `${number(overall.value)}${unit}, ${number(overall.min)} to ${number(overall.max)}`;
    case 'rate': return `${percent(overall.rate)} (${number(overall.passes)} of ${number((overall.passes ?? 0) + (overall.fails ?? 0))})`;
    default: return `${number(overall.count)} values${unit && `, in${unit}`}`;
  }
}

export function MetricsTable({ metrics }: { metrics: MetricSummary[] }) {
  const columns: Column<MetricSummary>[] = [
    { title: 'Metric', cell: (m) => <span class="long">{m.name}</span>, order: (m) => m.name },
    { title: 'In all', cell: gist },
    ...STATS.map((stat): Column<MetricSummary> => ({
      title: stat, isNumber: true, cell: (m) => (m.type === 'trend' ? number(m.overall[stat]) : ''),
      order: (m) => (m.type === 'trend' ? m.overall[stat] : null),
    })),
  ];
  const rows = [...metrics.filter((m) => !ofGale(m)), ...metrics.filter(ofGale)];
  return <Table label="Metrics" columns={columns} rows={rows} rowKey={(m) => m.name} empty="Nothing was measured." />;
}

/* --- regions --- */

interface RegionRow { name: string; values: (metric: string) => MetricValues | undefined }

export function RegionsSummary({ report, label }: { report: Report; label: Label }) {
  const { metrics } = report.summary;
  const latency = report.run.latency_metric;
  const named = new Map(metrics.map((m) => [m.name, m]));
  const names = [...new Set(metrics.filter((m) => !ofTarget(m)).flatMap((m) => Object.keys(m.regions)))];
  const rows: RegionRow[] = [
    { name: 'overall', values: (metric) => named.get(metric)?.overall },
    ...(names.length > 1 ? names : []).map((region) => ({ name: region, values: (metric: string) => named.get(metric)?.regions[region] })),
  ];
  const measure = (title: string, metric: string, key: string, show: (v: Nullable | undefined) => string = number): Column<RegionRow> => ({
    title, isNumber: true, cell: (r) => show(r.values(metric)?.[key]), order: (r) => r.values(metric)?.[key] ?? null,
  });
  const columns: Column<RegionRow>[] = [
    { title: 'Region', cell: (r) => (r.name === 'overall' ? <b>overall</b> : label(r.name)), order: (r) => r.name },
    measure('VUs, most', 'vus', 'max'),
    measure('Iterations', 'iterations', 'count'),
    measure('Requests', 'http_reqs', 'count'),
    measure('per s', 'http_reqs', 'rate'),
    measure('Failed', 'http_req_failed', 'rate', percent),
    measure('avg ms', latency, 'avg'),
    measure('p(50) ms', latency, 'med'),
    measure('p(95) ms', latency, 'p(95)'),
    measure('p(99) ms', latency, 'p(99)'),
    measure('max ms', latency, 'max'),
  ];
  return (
    <>
      <Table label="Regions" columns={columns} rows={rows} rowKey={(r) => r.name} />
      {latency !== 'http_req_duration' && <p class="hint">Latency is {latency} here: the run made no HTTP request.</p>}
    </>
  );
}
