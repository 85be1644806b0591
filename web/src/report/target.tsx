/* What the target said of itself (--scrape): the series that moved most with p(95). */
import { useMemo } from 'preact/hooks';
import { Chart, type ChartData } from '../components/chart';
import type { Zoom } from '../data/zoom';
import type { Report, TargetSeries } from './types';

const when = (lag: number) => (lag === 0 ? 'at the same time' : `${Math.abs(lag)} s ${lag > 0 ? 'before' : 'after'} it`);

const title = (r: TargetSeries) => `${r.target}: ${r.series} (${r.coefficient > 0 ? '+' : ''}${r.coefficient.toFixed(2)}, ${when(r.lag)})`;

export function Target({ target, zoom }: { target: NonNullable<Report['target']>; zoom: Zoom }) {
  const data = useMemo(() => target.rows.map((r): ChartData =>
    ({ t: r.values.map((_, i) => i * target.step), lines: [{ label: r.series, values: r.values }] })), [target]);
  return (
    <section><h2>The target's own metrics</h2>
      <p class="hint">
        {target.compared} series were compared with p(95) second by second; up to ±{target.chance.toFixed(2)} chance explains it.
        What moves together need not be cause and effect.
      </p>
      <div class="charts">{target.rows.map((r, i) => (
        <Chart key={r.target + r.series} title={title(r)} unit="" data={data[i]} zoom={zoom} group="run" />))}
      </div>
    </section>
  );
}
