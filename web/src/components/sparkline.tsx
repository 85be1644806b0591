/* One number of a test's last runs, the newest at the right. */
import type { Trend } from '../api/types';
import { withUnit } from './format';

const WIDTH = 120;
const HEIGHT = 24;
const EDGE = 3;

export function Sparkline({ trend, now }: { trend: Trend; now: string }) {
  const known = trend.values.filter((v) => v != null);
  if (known.length === 0) return <span class="hint">–</span>;
  const high = Math.max(...known) || 1;
  const step = (WIDTH - 2 * EDGE) / Math.max(1, trend.values.length - 1);
  const x = (i: number) => (trend.values.length === 1 ? WIDTH / 2 : EDGE + i * step);
  const y = (v: number) => HEIGHT - EDGE - (v / high) * (HEIGHT - 2 * EDGE);
  const dots = trend.values.flatMap((v, i) => (v == null ? [] : [{ v, i }]));
  const text = `p(95) of the last ${dots.length} runs: ${dots.map((d) => withUnit(d.v, trend.unit)).join(', ')}`;
  return (
    <svg class="sparkline" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={text}>
      <title>{text}</title>
      <polyline points={dots.map((d) => `${x(d.i)},${y(d.v).toFixed(1)}`).join(' ')} />
      {dots.map((d) => (
        <circle key={d.i} class={trend.results[d.i] ?? ''} cx={x(d.i)} cy={y(d.v)} r={trend.runs[d.i] === now ? 3 : 1.5} />
      ))}
    </svg>
  );
}
