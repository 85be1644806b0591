/* A chart of lines over seconds. It knows nothing of where its numbers come from; what it shows of them is the
 * page's Zoom. Dragging selects a span, shift and dragging or shift and the wheel pan, ctrl and the wheel zoom, and
 * the keys of zoomByKey work while it has the focus. */
import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import type { Event, Nullable } from '../api/types';
import { chartTip } from './chart_tip';
import { clock, number, short } from './format';
import { colorOf, dashOf, useTheme, type Theme } from './theme';
import type { Span } from '../data/series';
import { Thinned } from '../data/thin';
import { zoomByKey, type Zoom } from '../data/zoom';

export interface Line { label: string; values: Nullable[] }

/* Drawn anew when it is another object. */
export interface ChartData { t: number[]; lines: Line[] } /* the first line stands out */

export interface ChartProps {
  title: string;
  unit: string;
  data: ChartData;
  whole?: Nullable; /* what stands for all of the first line, where that is not its last value */
  zoom: Zoom;
  group: string; /* charts of a group share their cursor */
  events?: Event[];
}

const HEIGHT = 190;
const DENSE_POINTS = 1000;
const TALL = 340; /* on screens of 4K */

const height = () => (innerWidth >= 2600 ? TALL : HEIGHT);

/* A dashed line at each event, and what it was where there is room for the words. */
function drawEvents(u: uPlot, events: Event[], theme: Theme) {
  const { ctx, bbox } = u;
  const unit = devicePixelRatio;
  let free = bbox.left;
  ctx.save();
  ctx.lineWidth = unit;
  ctx.font = `${11 * unit}px system-ui, sans-serif`;
  ctx.textAlign = 'left';
  ctx.textBaseline = 'top';
  ctx.setLineDash([4 * unit, 3 * unit]);
  for (const e of events) {
    if (e.second == null) continue;
    const x = Math.round(u.valToPos(e.second, 'x', true));
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.strokeStyle = ctx.fillStyle = e.severity === 'error' ? theme.error : e.severity === 'warn' ? theme.warn : theme.grid;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    if (e.severity === 'info') continue;
    const text = e.kind.replace(/[_-]/g, ' ');
    const end = x + 4 * unit + ctx.measureText(text).width;
    if (x < free || end > bbox.left + bbox.width) continue;
    ctx.fillText(text, x + 4 * unit, bbox.top);
    free = end + 4 * unit;
  }
  ctx.restore();
}

const isPanned = () => document.body.classList.contains('panned');

/* Pans with the pointer until it is released. Meanwhile no chart of the page has a cursor. */
function panWith(u: uPlot, zoom: Zoom, down: MouseEvent) {
  let x = down.clientX;
  document.body.classList.add('panned');
  const move = (e: MouseEvent) => {
    zoom.pan((x - e.clientX) * devicePixelRatio / u.bbox.width);
    x = e.clientX;
  };
  const up = () => {
    document.body.classList.remove('panned');
    removeEventListener('mousemove', move);
    removeEventListener('mouseup', up);
  };
  addEventListener('mousemove', move);
  addEventListener('mouseup', up);
}

function turnWheel(u: uPlot, zoom: Zoom, e: WheelEvent) {
  const isPan = e.shiftKey || Math.abs(e.deltaX) > Math.abs(e.deltaY);
  if (!isPan && !e.ctrlKey && !e.metaKey) return; /* the page scrolls */
  e.preventDefault();
  if (isPan) zoom.pan(Math.sign(e.deltaX || e.deltaY) * 0.1);
  else zoom.scale(e.deltaY < 0 ? 0.8 : 1.25, u.posToVal(e.offsetX, 'x'));
}

function takeSelection(u: uPlot, zoom: Zoom) {
  const { left, width } = u.select;
  if (width < 3) return;
  zoom.show({ from: u.posToVal(left, 'x'), to: u.posToVal(left + width, 'x') });
  u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
}

/* Where there are more points than dashes could show, lines are solid and thin: dashes of thousands of points cost a
 * browser without a GPU half a second (bench/web). */
function lookOf(u: uPlot, isThinned: boolean) {
  const [first, last] = u.series[0].idxs ?? [0, 0];
  const isDense = isThinned || last - first > DENSE_POINTS;
  u.series.slice(1).forEach((line, i) => {
    line.dash = isDense ? [] : dashOf(i);
    line.width = isDense ? 1 : i === 0 ? 2 : 1.7;
  });
}

interface Look { theme: Theme; unit: string; labels: string[]; zoom: Zoom; group: string; events: () => Event[]; data: ShownData; width: number }

function optionsOf({ theme, unit, labels, zoom, group, events, data, width }: Look): uPlot.Options {
  const em = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const axis = { stroke: theme.text, font: `${0.75 * em}px system-ui, sans-serif`, grid: { stroke: theme.grid, width: 1 }, ticks: { show: false } };
  return {
    width, height: height(),
    scales: {
      x: { time: false, range: () => [zoom.shown.from, zoom.shown.to] },
      y: { range: (_, low, high) => [Math.min(0, low ?? 0), high > 0 ? high * 1.1 : 1] },
    },
    axes: [
      { ...axis, size: 1.75 * em, values: (_, splits) => splits.map((s) => (Number.isInteger(s) ? clock(s) : '')) },
      { ...axis, size: 3.5 * em, values: (_, splits) => splits.map(short) },
    ],
    cursor: {
      y: false,
      points: { show: false },
      drag: { x: true, y: false, setScale: false },
      sync: { key: group, scales: ['x', null], filters: { pub: (type) => type === 'mousemove' || type === 'mouseleave' } },
      bind: {
        mousedown: (u, _, start) => (e) => { if (e.shiftKey) panWith(u, zoom, e); else start(e); return null; },
        mousemove: (_u, _target, move) => (e) => { if (!isPanned()) move(e); return null; },
        dblclick: () => () => { zoom.show(null); return null; },
      },
    },
    legend: { show: false },
    series: [{}, ...labels.map((label, i) => ({ label, stroke: colorOf(theme, i), points: { show: false } }))],
    plugins: [chartTip(unit, labels.map((label, i) => ({ label, color: colorOf(theme, i) })), () => data.all.rows)],
    hooks: {
      drawClear: [(u) => lookOf(u, data.size > 1)],
      draw: [(u) => drawEvents(u, events(), theme)],
      setSelect: [(u) => takeSelection(u, zoom)],
      ready: [(u) => u.over.addEventListener('wheel', (e) => turnWheel(u, zoom, e), { passive: false })],
    },
  };
}

/* What a plot has of its data: as much as the span that is shown needs. */
class ShownData {
  all = new Thinned([[]]);
  size = 0; /* rows that became two; 0: the plot has none of this data */

  set({ t, lines }: ChartData) {
    this.all = new Thinned([t, ...lines.map((l) => l.values)]);
    this.size = 0;
  }

  /* Gives the plot other rows where these are too fine or too coarse. */
  fit(u: uPlot, { from, to }: Span) {
    const { rows, size } = this.all.of(from, to, u.bbox.width);
    if (size !== this.size) u.setData(rows as uPlot.AlignedData, false);
    this.size = size;
    u.setScale('x', { min: from, max: to });
  }
}

const lastOf = (line?: Line) => line?.values.findLast((v) => v != null);

function describe({ title, unit, whole, data: { lines } }: ChartProps): string {
  const valueOf = (l: Line, i: number) => (i === 0 && whole != null ? whole : lastOf(l));
  return `${title}: ${lines.map((l, i) => { const v = valueOf(l, i); return `${l.label} ${v == null ? 'no value' : `${number(v)} ${unit}`}`; }).join(', ')}`;
}

export function Chart(props: ChartProps) {
  const { title, unit, data, zoom, group } = props;
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const events = useRef<Event[]>([]);
  const shown = useRef(new ShownData()).current;
  const theme = useTheme();
  const labels = data.lines.map((l) => l.label).join('\n');
  const value = props.whole ?? lastOf(data.lines[0]);
  events.current = props.events ?? [];

  useEffect(() => {
    const box = host.current!;
    const look = { theme, unit, labels: labels.split('\n'), zoom, group, events: () => events.current, data: shown, width: box.clientWidth };
    const u = new uPlot(optionsOf(look), [[], ...data.lines.map(() => [])], box);
    plot.current = u;
    shown.size = 0; /* the new plot has nothing yet */
    const unwatch = zoom.watch(() => shown.fit(u, zoom.shown));
    const resize = new ResizeObserver(() => {
      if (box.clientWidth === u.width) return;
      u.setSize({ width: box.clientWidth, height: height() });
      shown.fit(u, zoom.shown);
    });
    resize.observe(box);
    return () => { unwatch(); resize.disconnect(); u.destroy(); plot.current = undefined; };
  }, [labels, unit, group, theme, zoom]);

  useEffect(() => {
    shown.set(data);
    shown.fit(plot.current!, zoom.shown);
  }, [data, props.events, labels, unit, group, theme, zoom]);

  return (
    <figure class="chart" role="group" tabIndex={0} aria-label={describe(props)} aria-describedby="chart-keys"
      onKeyDown={(e) => { if (!e.ctrlKey && !e.metaKey && !e.altKey && zoomByKey(zoom, e.key)) e.preventDefault(); }}>
      <figcaption><span>{title}</span> <b>{number(value)} {value == null ? '' : unit}</b></figcaption>
      <div class="plot" ref={host} />
    </figure>
  );
}

/* What the keys do, once per page; and the same by buttons, for who has no keyboard or wheel. */
export function ZoomBar({ zoom }: { zoom: Zoom }) {
  const [, setCount] = useState(0);
  useEffect(() => zoom.watch(() => setCount((n) => n + 1)), [zoom]);
  return (
    <div class="zoom-bar" role="group" aria-label="Time shown in all charts">
      <button type="button" onClick={() => zoom.pan(-0.25)} aria-label="Earlier">←</button>
      <button type="button" onClick={() => zoom.scale(0.5)} aria-label="Show less time">+</button>
      <button type="button" onClick={() => zoom.scale(2)} aria-label="Show more time">−</button>
      <button type="button" onClick={() => zoom.pan(0.25)} aria-label="Later">→</button>
      <button type="button" onClick={() => zoom.show(null)} disabled={!zoom.span}>Everything</button>
      <span class="span">{clock(zoom.shown.from)} – {clock(zoom.shown.to)}</span>
      <p id="chart-keys" class="hint">Drag to zoom, shift and drag to move; ctrl or shift with the wheel do the same. Keys: + − ← → 0.</p>
    </div>
  );
}
