/* The charts of a run: overall, and the chosen regions beside it. */
import { useMemo } from 'preact/hooks';
import type { Event, Key, LiveSeries, Nullable } from '../api/types';
import { Chart, type ChartData } from './chart';
import type { Zoom } from '../data/zoom';

export interface ChartKind { key: Key; title: string; unit: string; factor: number }

export const CHARTS: ChartKind[] = [
  { key: 'vus', title: 'Virtual users', unit: '', factor: 1 },
  { key: 'rps', title: 'Requests per second', unit: '/s', factor: 1 },
  { key: 'failed', title: 'Failed requests', unit: '%', factor: 100 },
  { key: 'p50', title: 'p(50)', unit: 'ms', factor: 1 },
  { key: 'p95', title: 'p(95)', unit: 'ms', factor: 1 },
  { key: 'p99', title: 'p(99)', unit: 'ms', factor: 1 },
];

export const scaled = (column: Nullable[] | undefined, length: number, factor: number): Nullable[] => {
  if (!column) return new Array<Nullable>(length).fill(null);
  return factor === 1 ? column : column.map((v) => (v == null ? null : v * factor));
};

interface RunChartsProps {
  series: LiveSeries; /* another object when its numbers are others */
  regions: string[];
  label: (region: string) => string;
  events: Event[];
  zoom: Zoom;
  whole?: Partial<Record<Key, Nullable>> | null; /* of a run that has ended, whose last second says nothing */
}

export function RunCharts({ series, regions, label, events, zoom, whole }: RunChartsProps) {
  const labels = regions.map(label);
  const dataOf = ({ key, factor }: ChartKind): ChartData => ({
    t: series.t,
    lines: [
      { label: 'overall', values: scaled(series.overall[key], series.t.length, factor) },
      ...regions.map((r, i) => ({ label: labels[i], values: scaled(series.regions[r]?.[key], series.t.length, factor) })),
    ],
  });
  const data = useMemo(() => CHARTS.map(dataOf), [series, labels.join('\n')]);
  const wholeOf = ({ key, factor }: ChartKind) => (whole?.[key] == null ? null : whole[key] * factor);
  return (
    <div class="charts">
      {CHARTS.map((kind, i) => (
        <Chart key={kind.key} title={kind.title} unit={kind.unit} data={data[i]} whole={wholeOf(kind)} events={events} zoom={zoom} group="run" />))}
    </div>
  );
}
