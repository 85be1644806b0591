/* What targets said of themselves (--scrape), beside the run. */
import { useMemo } from 'preact/hooks';
import { Chart, type ChartData } from '../components/chart';
import type { Zoom } from '../data/zoom';
import type { Report } from './types';

/* "scrape:shop/queue_depth" */
const nameOf = (metric: string) => metric.replace(/^scrape:/, '').replace('/', ': ');

export function Target({ series, zoom }: { series: Report['series']; zoom: Zoom }) {
  const charts = useMemo(() => Object.entries(series.target).map(([metric, values]): [string, ChartData] =>
    [nameOf(metric), { t: series.t, lines: [{ label: nameOf(metric), values }] }]), [series]);
  if (charts.length === 0) return null;
  return (
    <section><h2>The target's own metrics</h2>
      <p class="hint">Values of gauges, and what counters grew by in a second; all label sets of a metric together.</p>
      <div class="charts">{charts.map(([name, data]) => (
        <Chart key={name} title={name} unit="" data={data} zoom={zoom} group="run" />))}
      </div>
    </section>
  );
}
