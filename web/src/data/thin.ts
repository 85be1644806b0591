/* Fewer rows for charts that have many to a pixel: of every so many their least and their greatest value, in the order
 * in which they came. What is drawn is the same to the pixel; finding it is not done anew for every frame. */
import type { Nullable } from '../api/types';

export type Rows = [number[], ...Nullable[][]]; /* seconds, and the values of each line */

function thinLine(values: Nullable[], size: number): Nullable[] {
  const out: Nullable[] = [];
  for (let from = 0; from < values.length; from += size) {
    const to = Math.min(values.length, from + size);
    let least = -1;
    let most = -1;
    for (let i = from; i < to; i++) {
      const v = values[i];
      if (v == null) continue;
      if (least < 0 || v < values[least]!) least = i;
      if (most < 0 || v > values[most]!) most = i;
    }
    if (least < 0) out.push(null, null);
    else out.push(values[Math.min(least, most)], values[Math.max(least, most)]);
  }
  return out;
}

function thinSeconds(t: number[], size: number): number[] {
  const out: number[] = [];
  for (let from = 0; from < t.length; from += size) {
    const to = Math.min(t.length, from + size);
    out.push(t[from], from + 1 < to ? t[(from + to) >> 1] : t[from] + 1e-6); /* seconds must grow */
  }
  return out;
}

const thin = ([t, ...lines]: Rows, size: number): Rows => [thinSeconds(t, size), ...lines.map((l) => thinLine(l, size))];

/* The first row at or after a second. */
export function rowAt(t: number[], second: number): number {
  let [low, high] = [0, t.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (t[middle] < second) low = middle + 1;
    else high = middle;
  }
  return low;
}

/* The row whose second is nearest; -1: there is none. */
export function nearestRow(t: number[], second: number): number {
  const after = rowAt(t, second);
  return after > 0 && (after === t.length || second - t[after - 1] < t[after] - second) ? after - 1 : after < t.length ? after : -1;
}

const LEAST_SIZE = 4; /* of two rows made one nothing would be gained */

export class Thinned {
  private readonly made = new Map<number, Rows>();

  constructor(readonly rows: Rows) {}

  /* The rows for a span that is `pixels` wide: `size` of them became two, or (1) all are there. At least one pair for
   * each pixel stays. */
  of(from: number, to: number, pixels: number): { rows: Rows; size: number } {
    const [t] = this.rows;
    const seen = (rowAt(t, to) - rowAt(t, from)) / Math.max(1, pixels);
    const size = 2 ** Math.floor(Math.log2(Math.max(1, seen)));
    if (size < LEAST_SIZE) return { rows: this.rows, size: 1 };
    const rows = this.made.get(size) ?? thin(this.rows, size);
    this.made.set(size, rows);
    return { rows, size };
  }
}
