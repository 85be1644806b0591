/* A few numbers of the whole and of each region: of the last second while a run is live, of the span that its charts
 * show once it has ended. */
import type { Columns, Key, LiveSeries, Nullable, Run, Summary } from '../api/types';
import { KEYS, lastOf, type Span } from './series';

export type RegionValues = Partial<Record<Key, Nullable>>;

/* Of a region; null: of all together. */
export type ValuesOf = (region: string | null) => RegionValues;

const columnsOf = (series: LiveSeries, region: string | null): Columns | undefined =>
  (region == null ? series.overall : series.regions[region]);

export const lastValues = (series: LiveSeries): ValuesOf => (region) =>
  Object.fromEntries(KEYS.map((key) => [key, lastOf(columnsOf(series, region)?.[key])]));

function mostVus(series: LiveSeries, span: Span | null, region: string | null): Nullable {
  const seen = (columnsOf(series, region)?.vus ?? []).filter((v, i): v is number =>
    v != null && (!span || (series.t[i] >= span.from && series.t[i] < span.to)));
  return seen.length ? seen.reduce((a, b) => Math.max(a, b)) : null;
}

export function spanValues(run: Run, series: LiveSeries, span: Span | null, summary: Summary): ValuesOf {
  const metrics = new Map(summary.metrics.map((m) => [m.name, m]));
  return (region) => {
    const of = (name: string) => (region == null ? metrics.get(name)?.overall : metrics.get(name)?.regions[region]);
    const latency = of(run.latency_metric);
    return {
      vus: mostVus(series, span, region),
      rps: of('http_reqs')?.rate,
      p50: latency?.['p(50)'] ?? latency?.med,
      p95: latency?.['p(95)'],
      p99: latency?.['p(99)'],
      failed: of('http_req_failed')?.rate,
    };
  };
}
