/* What gale writes into a report: the schema Export of docs/api/openapi.yaml. */
import type { Check, ErrorRow, Event, Exemplar, LiveSeries, Nullable, Run, Threshold, UrlRow } from '../api/types';

export type MetricValues = Record<string, Nullable>;

export interface MetricSummary {
  name: string;
  type: 'counter' | 'gauge' | 'rate' | 'trend';
  contains: 'default' | 'time' | 'data';
  overall: MetricValues;
  regions: Record<string, MetricValues>;
}

/* One of the target's own series, beside p(95). */
export interface TargetSeries { target: string; series: string; coefficient: number; lag: number; values: Nullable[] }

export interface Report {
  gale: string;
  made_at: string;
  run: Run;
  series: LiveSeries & { thinned: number | null };
  summary: { from: number; to: number; metrics: MetricSummary[] };
  thresholds: Threshold[];
  checks: Check[];
  urls: UrlRow[];
  errors: ErrorRow[];
  events: Event[];
  exemplars: Exemplar[];
  target?: { step: number; compared: number; chance: number; rows: TargetSeries[] };
  trace_link?: string;
  left_out: Record<string, number>;
}

