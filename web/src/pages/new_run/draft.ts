/* A run that is being put together. */
import type { Found, RegionShare, RunCreate } from '../../api/types';

export type Load = RunCreate['load'];

export interface Draft {
  filename: string;
  script: string;
  file?: File; /* instead of the script: an archive, or what is too long to edit */
  test: string; /* its name; the file's while empty */
  name: string;
  load: Load;
  shares: Record<string, number>; /* by region, in percent; none: as the script says */
  env: [string, string][];
  isAbortedByLoss: boolean;
}

export const isArchive = (filename: string): boolean => filename.toLowerCase().endsWith('.tar');

const FIRST = `import http from 'k6/http';
import { sleep } from 'k6';

export const options = { vus: 10, duration: '30s' };

export default function () {
  http.get('http://127.0.0.1:8080/products');
  sleep(1);
}
`;

export const firstDraft = (): Draft =>
  ({ filename: 'script.js', script: FIRST, test: '', name: '', load: 'total', shares: {}, env: [], isAbortedByLoss: false });

/* Whole percents that add up to 100. */
export function evenShares(names: string[]): Record<string, number> {
  const base = Math.floor(100 / Math.max(1, names.length));
  return Object.fromEntries(names.map((name, i) => [name, base + (i < 100 - base * names.length ? 1 : 0)]));
}

/* What is wrong with the shares, or null. Hundredths of a percent are forgiven: a third is 33.33. */
export function sharesProblem({ load, shares }: Draft): string | null {
  const list = Object.values(shares);
  if (load === 'per-region' || list.length === 0) return null;
  if (list.some((s) => !(s > 0))) return 'Each share must be more than 0 %.';
  const sum = list.reduce((a, b) => a + b, 0);
  return Math.abs(sum - 100) < 0.05 ? null : `The shares add up to ${+sum.toFixed(2)} %: they must be 100 %.`;
}

export const regionShares = ({ load, shares }: Draft): RegionShare[] =>
  Object.entries(shares).map(([region, share]) => (load === 'total' ? { region, share } : { region }));

/* What options.cloud.distribution of the script says, where its regions have whole shares. */
export const sharesOfScript = (found: Found): Record<string, number> =>
  Object.fromEntries(found.distribution.filter((d) => d.share != null).map((d) => [d.region, d.share!]));
