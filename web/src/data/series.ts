/* Columns of numbers over time, overall and by region, as the API's LiveSeries has them. */
import type { Columns, Key, LiveSeries, LiveWindow, Nullable } from '../api/types';

export const KEYS: Key[] = ['vus', 'rps', 'p50', 'p95', 'p99', 'failed'];

/* More would be neither seen nor drawn in time. */
export const MOST_POINTS = 10_000;

/* Seconds; the end is exclusive. */
export interface Span { from: number; to: number }

export const emptySeries = (): LiveSeries => ({ step: 1, t: [], overall: {}, regions: {} });

const nulls = (n: number): Nullable[] => new Array<Nullable>(n).fill(null);

function allColumns(s: LiveSeries): Columns[] {
  return [s.overall, ...Object.values(s.regions)];
}

/* Adds a second, or replaces it when it is there: late windows. */
export function putWindow(s: LiveSeries, w: LiveWindow) {
  let at = s.t.length;
  while (at > 0 && s.t[at - 1] >= w.t) at--;
  const isNew = s.t[at] !== w.t;
  const before = s.t.length;
  if (isNew) s.t.splice(at, 0, w.t);
  for (const region of Object.keys(w.regions)) s.regions[region] ??= {};
  const put = (columns: Columns, values?: Partial<Record<Key, Nullable>>) => {
    for (const key of KEYS) {
      const column = (columns[key] ??= nulls(before));
      column.splice(at, isNew ? 0 : 1, values?.[key] ?? null);
    }
  };
  put(s.overall, w.overall);
  for (const [region, columns] of Object.entries(s.regions)) put(columns, w.regions[region]);
  if (s.t.length > MOST_POINTS) dropFirst(s);
}

function dropFirst(s: LiveSeries) {
  s.t.shift();
  for (const columns of allColumns(s)) for (const key of KEYS) columns[key]?.shift();
}

/* `coarse` with what `fine` knows better in its place. Regions are those of `coarse`. */
export function refine(coarse: LiveSeries, fine: LiveSeries): LiveSeries {
  if (fine.t.length === 0) return coarse;
  const first = coarse.t.findIndex((t) => t >= fine.t[0]);
  const head = first < 0 ? coarse.t.length : first;
  const after = coarse.t.findIndex((t) => t > fine.t[fine.t.length - 1]);
  const tail = after < 0 ? coarse.t.length : after;
  const join = <T>(a: T[], b: T[]): T[] => [...a.slice(0, head), ...b, ...a.slice(tail)];
  const joinAll = (a: Columns, b: Columns = {}): Columns =>
    Object.fromEntries(KEYS.map((k) => [k, join(a[k] ?? nulls(coarse.t.length), b[k] ?? nulls(fine.t.length))]));
  return {
    step: coarse.step,
    t: join(coarse.t, fine.t),
    overall: joinAll(coarse.overall, fine.overall),
    regions: Object.fromEntries(Object.entries(coarse.regions).map(([r, c]) => [r, joinAll(c, fine.regions[r])])),
  };
}

/* The last value that there is. */
export const lastOf = (column?: Nullable[]): Nullable => column?.findLast((v) => v != null) ?? null;

/* The second after the last. */
export const endOf = (s: LiveSeries): number => (s.t.length ? s.t[s.t.length - 1] + s.step : 0);
