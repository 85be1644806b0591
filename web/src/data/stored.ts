/* A run that has ended, as the store has it: the same picture that a live snapshot gives, but for its logs, which the
 * page asks for by what shall be seen of them. */
import { get, Problem, query } from '../api/client';
import type {
  Columns, Event, Key, List, LiveSeries, Nullable, Page, Run, RunAgent, Series, Snapshot, Threshold,
} from '../api/types';
import { emptySeries, type Span } from './series';

/* What the columns of a LiveSeries are, as queries; those first that take longest: a browser asks only six things at once. */
const sources = (run: Run): { metric: string; aggs: Record<string, Key> }[] => [
  { metric: run.latency_metric ?? 'http_req_duration', aggs: { 'p(50)': 'p50', 'p(95)': 'p95', 'p(99)': 'p99' } },
  { metric: 'http_req_failed', aggs: { rate: 'failed' } },
  { metric: 'http_reqs', aggs: { rate: 'rps' } },
  { metric: 'vus', aggs: { value: 'vus' } },
];

/* Null: the run has no such thing. */
async function orNull<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return null;
    throw error;
  }
}

function spread(series: Series, aggs: Record<string, Key>, t: number[], columnsOf: (by: string | null) => Columns | undefined) {
  const row = new Map(t.map((second, i) => [second, i]));
  series.columns.forEach(({ by, agg }, i) => {
    const columns = columnsOf(by);
    if (!columns) return;
    const column = (columns[aggs[agg]] = new Array<Nullable>(t.length).fill(null));
    series.t.forEach((second, j) => {
      const at = row.get(second);
      if (at != null) column[at] = series.values[i][j];
    });
  });
}

/* The columns of a span, or of the whole run. */
export async function loadSeries(run: Run, span: Span | null, points = 1200): Promise<LiveSeries> {
  const wanted = sources(run);
  const ask = (metric: string, aggs: string[], by?: string) =>
    orNull(get<Series>(`/runs/${run.id}/series${query({ metric, agg: aggs.join(','), by, from: span?.from, to: span?.to, points })}`));
  const answers = await Promise.all(wanted.map(async ({ metric, aggs }) =>
    Promise.all([ask(metric, Object.keys(aggs)), ask(metric, Object.keys(aggs), 'region')])));
  const all = answers.flat().filter((s) => s != null);
  const out = emptySeries();
  out.t = [...new Set(all.flatMap((s) => s.t))].sort((a, b) => a - b);
  out.step = Math.max(1, ...all.map((s) => s.step));
  for (const { region } of run.regions) out.regions[region] = {};
  answers.forEach(([overall, byRegion], i) => {
    if (overall) spread(overall, wanted[i].aggs, out.t, () => out.overall);
    if (byRegion) spread(byRegion, wanted[i].aggs, out.t, (by) => out.regions[by ?? '']);
  });
  return out;
}

export async function loadStored(run: Run): Promise<Snapshot> {
  const part = <T>(path: string) => orNull(get<T>(`/runs/${run.id}/${path}`));
  const [series, thresholds, agents, events] = await Promise.all([
    loadSeries(run, null),
    part<List<Threshold>>('thresholds'),
    part<List<RunAgent>>('agents'),
    part<Page<Event>>('events?limit=500'),
  ]);
  return {
    run, series,
    thresholds: thresholds ?? { items: [] },
    agents: agents ?? { items: [] },
    events: events?.items ?? [],
    logs: [],
  };
}
