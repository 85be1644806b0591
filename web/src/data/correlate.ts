/* Which of two rows of values moved together, and with what delay: as src/output/correlate.h has it, where the limits
 * of what that means are told. */
import type { Nullable } from '../api/types';

export interface Correlation { coefficient: number; lag: number; pairs: number } /* lag: rows by which `a` moved before `b` */

const MOST_LAG = 10;
const LEAST_ROWS = 20;

function atLag(a: Nullable[], b: Nullable[], lag: number): Correlation | null {
  const pairs: [number, number][] = [];
  a.forEach((x, i) => {
    const y = b[i + lag];
    if (x != null && y != null) pairs.push([x, y]);
  });
  if (pairs.length < LEAST_ROWS * 0.75) return null;
  const meanX = pairs.reduce((s, [x]) => s + x, 0) / pairs.length;
  const meanY = pairs.reduce((s, [, y]) => s + y, 0) / pairs.length;
  let [xx, yy, xy] = [0, 0, 0];
  for (const [x, y] of pairs) {
    xx += (x - meanX) ** 2;
    yy += (y - meanY) ** 2;
    xy += (x - meanX) * (y - meanY);
  }
  return xx > 0 && yy > 0 ? { coefficient: xy / Math.sqrt(xx) / Math.sqrt(yy), lag, pairs: pairs.length } : null;
}

/* Null when the rows are too short or one of them never moves. */
export function correlate(a: Nullable[], b: Nullable[]): Correlation | null {
  const most = Math.min(MOST_LAG, Math.floor(a.length / 4));
  let best: Correlation | null = null;
  if (a.length < LEAST_ROWS) return null;
  /* From 0 outwards: of equal ones the shortest delay counts. */
  for (let i = 0; i <= 2 * most; i++) {
    const found = atLag(a, b, i % 2 ? (i + 1) / 2 : -i / 2);
    if (found && (!best || Math.abs(found.coefficient) > Math.abs(best.coefficient) + 1e-9)) best = found;
  }
  return best;
}

const horner = (x: number, coefficients: number[]) => coefficients.reduce((sum, c) => sum * x + c, 0);

/* What a normal value exceeds with a probability below 0.024 (Acklam's approximation of the tail). */
function normalAbove(probability: number): number {
  const q = Math.sqrt(-2 * Math.log(probability));
  return -horner(q, [-7.784894002430293e-3, -0.3223964580411365, -2.400758277161838, -2.549732539343734, 4.374664141464968, 2.938163982698783])
    / horner(q, [7.784695709041462e-3, 0.3224671290700398, 2.445134137142996, 3.754408661907416, 1]);
}

/* The coefficient that unrelated rows exceed in one of twenty tables of `tests` rows, at most. */
export function chance(pairs: number, tests: number): number {
  const all = Math.max(1, tests) * (2 * MOST_LAG + 1);
  return pairs > 3 ? Math.tanh(normalAbove(0.025 / all) / Math.sqrt(pairs - 3)) : 1;
}
