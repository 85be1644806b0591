/* Numbers and times as people read them. */
import type { Nullable, Unit } from '../api/types';

const UNITS: Record<Unit, string> = {
  ms: 'ms', bytes: 'B', bytes_per_second: 'B/s', per_second: '/s', ratio: '%', count: '', none: '',
};

/* Three digits that count. */
export function number(v: Nullable | undefined): string {
  if (v == null) return '–';
  const size = Math.abs(v);
  if (size >= 1e4) return Math.round(v).toLocaleString('en');
  return size >= 100 || Number.isInteger(v) ? v.toFixed(0) : size >= 10 ? v.toFixed(1) : v.toFixed(2);
}

export const percent = (ratio: Nullable | undefined): string => (ratio == null ? '–' : `${number(ratio * 100)} %`);

export function withUnit(v: Nullable | undefined, unit: Unit = 'none'): string {
  if (v == null) return '–';
  return `${number(unit === 'ratio' ? v * 100 : v)} ${UNITS[unit]}`.trimEnd();
}

/* As narrow as an axis: 0.25, 7500, 75k, 12.5M. */
export function short(v: number): string {
  const [unit, size] = v >= 1e9 ? ['G', 1e9] : v >= 1e6 ? ['M', 1e6] : v >= 1e4 ? ['k', 1e3] : ['', 1];
  return `${+(v / size).toFixed(2)}${unit}`;
}

/* 12.5 MB, in powers of 1,024 as the controller's limits are. */
export function bytes(n: number): string {
  const units = ['bytes', 'KB', 'MB', 'GB', 'TB'];
  const size = n < 1024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(n) / 10));
  return `${number(n / 1024 ** size)} ${units[size]}`;
}

/* 0:07, 12:30, 1:00:05 */
export function clock(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  const two = (n: number) => String(n).padStart(2, '0');
  const hours = Math.floor(s / 3600);
  const minutes = Math.floor(s / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(s % 60)}` : `${minutes}:${two(s % 60)}`;
}

/* The year only where it is another. */
export function date(at: string | null): string {
  if (!at) return '–';
  const when = new Date(at);
  const year = when.getFullYear() === new Date().getFullYear() ? undefined : 'numeric';
  return when.toLocaleString(undefined, { year, month: 'short', day: 'numeric', hour: 'numeric', minute: '2-digit' });
}

/* The time of day of a log line. */
export const timeOfDay = (at: string | null): string => (at ? new Date(at).toLocaleTimeString('en-GB') : '');
