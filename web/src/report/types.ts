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

export interface Report {
  gale: string;
  made_at: string;
  run: Run;
  series: LiveSeries & { thinned: number | null; target: Record<string, Nullable[]> };
  summary: { from: number; to: number; metrics: MetricSummary[] };
  thresholds: Threshold[];
  checks: Check[];
  urls: UrlRow[];
  errors: ErrorRow[];
  events: Event[];
  exemplars: Exemplar[];
  trace_link?: string;
  left_out: Record<string, number>;
}

