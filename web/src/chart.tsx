import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import type { Event } from './api';

export interface Line { label: string; values: (number | null)[] }
export interface ChartProps { title: string; unit: string; t: number[]; lines: Line[]; events?: Event[]; sync: string }

const COLORS = ['#8a8f98', '#1f7fd1', '#d9730d', '#2e9e5b', '#a855c7', '#c2334d', '#0f9aa8', '#a1841a'];
const charts = new Map<string, Set<uPlot>>();
let isSyncing = false;

/* A zoom of one chart is the zoom of all that share its key. */
function shareScale(key: string, from: uPlot) {
  if (isSyncing) return;
  isSyncing = true;
  const { min, max } = from.scales.x;
  for (const other of charts.get(key) ?? []) {
    if (other !== from && min != null && max != null) other.setScale('x', { min, max });
  }
  isSyncing = false;
}

function drawEvents(u: uPlot, events: Event[]) {
  const { ctx, bbox } = u;
  ctx.save();
  for (const e of events) {
    if (e.second == null || e.severity === 'info') continue;
    const x = Math.round(u.valToPos(e.second, 'x', true));
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.strokeStyle = e.severity === 'error' ? '#c2334d' : '#d9730d';
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([4, 3]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}

export function Chart(props: ChartProps) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const zoomed = useRef(false);
  const events = useRef<Event[]>([]);
  events.current = props.events ?? [];
  const names = props.lines.map((l) => l.label).join('|');
  const last = props.lines[0]?.values.at(-1);

  useEffect(() => {
    const dark = matchMedia('(prefers-color-scheme: dark)').matches;
    const axis = { stroke: dark ? '#c3c8d0' : '#49505a', grid: { stroke: dark ? '#2c323b' : '#e3e6ea', width: 1 }, ticks: { show: false } };
    const u: uPlot = new uPlot({
      width: host.current!.clientWidth, height: 180,
      scales: { x: { time: false }, y: { range: (_, lo, hi) => [Math.min(0, lo ?? 0), hi > 0 ? hi * 1.1 : 1] } },
      axes: [{ ...axis, size: 28 }, { ...axis, size: 52 }],
      cursor: { sync: { key: props.sync }, drag: { x: true, y: false } },
      series: [{ label: 'second' }, ...props.lines.map((l, i) => ({
        label: l.label, stroke: COLORS[i % COLORS.length], width: i === 0 ? 2 : 1.5, points: { show: false },
        dash: i === 0 ? undefined : [[], [6, 3], [2, 2], [8, 2, 2, 2]][(i - 1) % 4],
        value: (_: uPlot, v: number | null) => (v == null ? '–' : `${show(v)} ${props.unit}`),
      }))],
      hooks: {
        draw: [(self) => drawEvents(self, events.current)],
        setSelect: [(self) => { zoomed.current = self.select.width > 0 || zoomed.current; }],
        setScale: [(self, key) => {
          if (key !== 'x') return;
          const t = self.data[0];
          zoomed.current = t.length > 1 && (self.scales.x.min! > t[0] || self.scales.x.max! < t[t.length - 1]);
          shareScale(props.sync, self);
        }],
      },
    }, [props.t, ...props.lines.map((l) => l.values)], host.current!);
    plot.current = u;
    const group = charts.get(props.sync) ?? new Set();
    charts.set(props.sync, group.add(u));
    const resize = new ResizeObserver(() => u.setSize({ width: host.current!.clientWidth, height: 180 }));
    resize.observe(host.current!);
    return () => { resize.disconnect(); group.delete(u); u.destroy(); };
  }, [names, props.sync]);

  useEffect(() => {
    isSyncing = true; /* new data is no zoom */
    plot.current?.setData([props.t, ...props.lines.map((l) => l.values)], !zoomed.current);
    if (zoomed.current) plot.current?.redraw(false);
    isSyncing = false;
  });

  return (
    <figure class="chart" role="group" aria-label={`${props.title}: now ${last == null ? 'no value' : `${show(last)} ${props.unit}`}`}>
      <figcaption><span>{props.title}</span> <b>{last == null ? '–' : show(last)} {props.unit}</b></figcaption>
      <div class="plot" ref={host} />
    </figure>
  );
}

export const show = (v: number) => (Math.abs(v) >= 100 ? v.toFixed(0) : Math.abs(v) >= 10 ? v.toFixed(1) : v.toFixed(2));
