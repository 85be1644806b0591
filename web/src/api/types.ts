/* The schemas of docs/api/openapi.yaml, as far as the dashboard reads them. */

export type Nullable = number | null;
export type Role = 'viewer' | 'runner' | 'admin';
export type Result = 'passed' | 'failed' | 'aborted' | 'error';
export type Level = 'error' | 'warn' | 'info' | 'debug';
export type Unit = 'ms' | 'bytes' | 'bytes_per_second' | 'per_second' | 'ratio' | 'count' | 'none';

export interface List<T> { items: T[] }
export interface Page<T> extends List<T> { next: string | null }

/* --- who is asking --- */

export interface Caller { id: string; name: string; role: Role; run: string | null }
export interface Info { version: string; caller: Caller; run: string | null; limits: { upload_bytes: number } }

/* --- runs --- */

export interface RunRegion {
  region: string;
  share: number;
  max_vus: number;
  agents: number;
  agents_lost: number;
  is_emulated: boolean;
}

export interface Totals {
  vus: number;
  requests: number;
  rps: number;
  iterations: number;
  failed: Nullable;
  p50: Nullable;
  p95: Nullable;
  p99: Nullable;
  checks_passed: number;
  checks_failed: number;
  thresholds_passed: number;
  thresholds_failed: number;
  data_received: number;
  data_sent: number;
}

export interface Run {
  id: string;
  test: { id: string; name: string; version: number };
  name: string;
  notes: string;
  phase: string;
  result: Result | null;
  exit_code: Nullable;
  stop: { at: string; by: string; reason: string } | null;
  created_at: string | null;
  created_by: string;
  started_at: string | null;
  ended_at: string | null;
  elapsed_seconds: number;
  duration_seconds: number;
  load: 'total' | 'per-region';
  max_vus: number;
  env: Record<string, string>;
  tags: Record<string, string>;
  is_baseline: boolean;
  rerun_of: string | null;
  regions: RunRegion[];
  latency_metric: string;
  totals: Totals | null;
  windows: { merged: number; late: number; lost: number };
}

export interface Test {
  id: string;
  name: string;
  latest_version: Nullable;
  run_count: number;
  baseline: string | null;
}

export interface Trend { unit: Unit; runs: string[]; results: (Result | null)[]; values: Nullable[] }

export interface ShareCreated { id: string; expires_at: string | null; token: string | null }

/* --- starting one --- */

export interface Scenario {
  name: string;
  executor: string;
  max_vus: number;
  duration_seconds: number;
  start_seconds: number;
  exec: string;
}

export interface RegionShare { region: string; share?: number; vus?: number; agents?: number }

export interface Found {
  options: { thresholds?: Record<string, unknown>; [name: string]: unknown };
  scenarios: Scenario[];
  max_vus: number;
  duration_seconds: number;
  distribution: RegionShare[];
  env_names: string[];
  modules: string[];
  warnings: string[];
}

export interface Version { version: number; kind: 'script' | 'archive'; filename: string }

export interface RunCreate {
  test: string;
  version?: number | 'latest';
  name?: string;
  load: 'total' | 'per-region';
  regions?: RegionShare[];
  env: Record<string, string>;
  on_region_lost: 'continue' | 'abort';
}

export interface PlanAgent { id: string; zone: string | null; max_vus: number; capacity_vus: number; load_percent: number }
export interface PlanRegion { region: string; share: number; max_vus: number; segment: string; agents: PlanAgent[] }
export interface Plan { max_vus: number; duration_seconds: number; regions: PlanRegion[]; warnings: string[] }

export interface Refusal { region: string | null; reason: string; message: string }
export interface ScriptError { file: string; line: number; column: number; message: string; excerpt?: string }

/* --- live, and over time --- */

export interface Values { vus: Nullable; rps: Nullable; p50: Nullable; p95: Nullable; p99: Nullable; failed: Nullable }
export type Key = keyof Values;
export type Columns = Partial<Record<Key, Nullable[]>>;
export interface LiveSeries { step: number; t: number[]; overall: Columns; regions: Record<string, Columns> }
export interface LiveWindow { t: number; overall: Values; regions: Record<string, Values> }

export interface Snapshot {
  run: Run;
  series: LiveSeries;
  thresholds: List<Threshold>;
  agents: List<RunAgent>;
  events: Event[];
  logs: LogLine[];
}

export interface Series {
  metric: string;
  unit: Unit;
  step: number;
  t: number[];
  columns: { by: string | null; agg: string }[];
  values: Nullable[][];
}

export type Statistics = Record<string, Nullable>;
export interface Summary { metrics: { name: string; overall: Statistics; regions: Record<string, Statistics> }[] }
export interface Metric { name: string; type: string; contains: string; tags: Record<string, string[]> }

/* --- what a run measured --- */

export interface Threshold {
  metric: string;
  expression: string;
  ok: boolean;
  value: Nullable;
  unit?: Unit;
  source?: 'script' | 'run';
  abort_on_fail: boolean;
  crossed_at_second?: Nullable;
}

export interface CheckCount { passes: number; fails: number }
export interface Check extends CheckCount { name: string; group: string; path: string; regions: Record<string, CheckCount> }

export interface UrlRow {
  region: string | null;
  method: string;
  name: string;
  status: string;
  count: number;
  rps: number;
  failed: number;
  avg: number;
  p50: number;
  p95: number;
  p99: number;
  max: number;
}

export interface ErrorRow {
  error_code: string;
  error: string;
  status: string;
  method: string;
  name: string;
  count: number;
  first_second: number;
  last_second: number;
  regions: Record<string, number>;
}

export interface Table<T> extends List<T> { total: number }

export interface Exemplar {
  id: number;
  second: number;
  kind: 'slow' | 'failed';
  region: string;
  agent: string;
  method: string;
  url: string;
  status: string;
  error_code: string | null;
  duration: number;
  phases: Record<string, number>;
  vu: number;
  iteration: number;
  trace_id: string | null;
}

export interface RunAgent {
  id: string;
  region: string;
  zone: string | null;
  state: string;
  vus?: number;
  cpu_percent: Nullable;
  loop_lag_ms: Nullable;
  memory_bytes: Nullable;
  dropped_iterations?: number;
  is_saturated: boolean;
  saturated_seconds?: number;
  clock_offset_ms: Nullable;
}

export interface Event {
  id: number;
  at: string;
  second: Nullable;
  kind: string;
  severity: 'info' | 'warn' | 'error';
  region: string | null;
  agent: string | null;
  message: string;
}

export interface LogLine {
  id: number;
  at: string;
  second: Nullable;
  level: Level;
  source: string;
  region: string | null;
  agent: string | null;
  message: string;
  left_out: number;
}

export interface Difference {
  metric: string;
  agg: string;
  region: string | null;
  unit: Unit;
  lower_is_better: boolean | null;
  base: Nullable;
  value: Nullable;
  difference: Nullable;
  percent: Nullable;
  low: Nullable;
  high: Nullable;
  p_value: Nullable;
  verdict: 'better' | 'worse' | 'same' | 'different' | 'unclear';
}

export interface Comparison { run: string; base: string; method: string; rows: Difference[] }

/* --- the fleet --- */

export interface Region {
  name: string;
  title: string;
  latitude: Nullable;
  longitude: Nullable;
  capacity_vus: number;
  free_vus: number;
  agents: { ready: number; busy: number; stale: number };
  is_emulated: boolean;
}
