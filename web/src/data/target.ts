/* The target's own metrics (--scrape), which are stored with the run as "scrape:TARGET/METRIC". */
import { get, query } from '../api/client';
import type { List, Metric, Nullable, Series } from '../api/types';
import { chance, correlate, type Correlation } from './correlate';

const PREFIX = 'scrape:';
const MOST_METRICS = 40; /* each is a request */
const MOST_COLUMNS = 8;

export interface TargetSeries { name: string; target: string; unit: string; values: Nullable[] } /* on the run's seconds */

export interface TargetRow { series: TargetSeries; moved: Correlation | null; isBeyondChance: boolean }

export interface Target { rows: TargetRow[]; leftOut: number }

/* "scrape:shop/queue_depth" is shop's queue_depth. */
export function targetOf(name: string): { target: string; metric: string } {
  const [target, metric = ''] = name.slice(PREFIX.length).split(/\/(.*)/s);
  return { target, metric };
}

/* A tag that splits the metric into a few series. */
const splitOf = (m: Metric) =>
  Object.entries(m.tags).find(([, values]) => values.length > 1 && values.length <= MOST_COLUMNS)?.[0];

async function loadMetric(run: string, m: Metric, t: number[], step: number): Promise<TargetSeries[]> {
  const by = splitOf(m);
  const series = await get<Series>(`/runs/${run}/series${query({ metric: m.name, by, step, points: 10000 })}`);
  const { target, metric } = targetOf(m.name);
  const row = new Map(t.map((second, i) => [second, i]));
  return series.columns.slice(0, MOST_COLUMNS).map((column, i) => {
    const values = new Array<Nullable>(t.length).fill(null);
    series.t.forEach((second, j) => {
      const at = row.get(second);
      if (at != null) values[at] = series.values[i][j];
    });
    const tag = by && column.by ? `{${by}="${column.by}"}` : '';
    return { name: metric + tag, target, unit: series.unit === 'per_second' ? '/s' : '', values };
  });
}

/* How they moved with the latency, on the same seconds. Strongest first. */
export function rankTarget(series: TargetSeries[], latency: Nullable[]): TargetRow[] {
  const rows = series.map((s) => ({ series: s, moved: correlate(s.values, latency), isBeyondChance: false }));
  for (const row of rows)
    row.isBeyondChance = !!row.moved && Math.abs(row.moved.coefficient) > chance(row.moved.pairs, rows.length);
  return rows.sort((a, b) => Math.abs(b.moved?.coefficient ?? 0) - Math.abs(a.moved?.coefficient ?? 0));
}

/* `latency`: what they are compared with, on the seconds `t`. */
export async function loadTarget(run: string, t: number[], step: number, latency: Nullable[]): Promise<Target> {
  const metrics = (await get<List<Metric>>(`/runs/${run}/metrics`)).items.filter((m) => m.name.startsWith(PREFIX));
  const asked = metrics.slice(0, MOST_METRICS);
  const series = (await Promise.all(asked.map((m) => loadMetric(run, m, t, step)))).flat();
  return { rows: rankTarget(series, latency), leftOut: metrics.length - asked.length };
}
