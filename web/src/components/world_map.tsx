/* Regions on a map of the world, coloured by latency. Its outline is Natural Earth's, made a path by vite.config.ts. */
import { land } from 'virtual:land';
import type { Nullable } from '../api/types';
import { number } from './format';
import { PLACES } from './places';

export interface Dot {
  name: string;
  latitude?: Nullable;
  longitude?: Nullable;
  latency?: Nullable; /* milliseconds */
  isChosen?: boolean;
  note?: string;
}

interface PlacedDot extends Dot { x: number; y: number }

const LEVELS = [{ name: 'low', below: 100 }, { name: 'mid', below: 300 }, { name: 'high', below: Infinity }];

const levelOf = (ms?: Nullable) => (ms == null ? 'none' : LEVELS.find((l) => ms < l.below)!.name);

const textOf = (d: Dot) =>
  [d.name, d.latency == null ? '' : `${number(d.latency)} ms`, d.note ? `(${d.note})` : ''].filter(Boolean).join(' ');

/* The map is equirectangular: a degree is a unit, from 180 W and 85 N on. */
function place(d: Dot): PlacedDot | undefined {
  const at = d.latitude != null && d.longitude != null ? [d.latitude, d.longitude] : PLACES[d.name];
  return at && { ...d, x: at[1] + 180, y: 85 - at[0] };
}

/* Labels of neighbours move down until they are apart. */
function labelRows(dots: PlacedDot[]): Map<string, number> {
  const rows = new Map<string, number>();
  const taken: { x: number; y: number }[] = [];
  for (const d of [...dots].sort((a, b) => a.y - b.y)) {
    let y = d.y;
    while (taken.some((t) => Math.abs(t.y - y) < 7 && Math.abs(t.x - d.x) < 80)) y += 1;
    taken.push({ x: d.x, y });
    rows.set(d.name, y - d.y);
  }
  return rows;
}

export function WorldMap({ dots, onPick }: { dots: Dot[]; onPick?: (name: string) => void }) {
  const placed = dots.map(place).filter((d) => d !== undefined);
  const elsewhere = dots.filter((d) => !placed.some((p) => p.name === d.name));
  const rows = labelRows(placed);
  return (
    <div class="map">
      <svg viewBox="0 0 360 145" role="img" aria-label={`World map: ${dots.map(textOf).join(', ') || 'no regions'}`}>
        <path class="land" d={land} />
        {placed.map((d) => (
          <g key={d.name} class={`dot ${d.isChosen === false ? 'off' : levelOf(d.latency)} ${onPick ? 'pick' : ''}`}
            transform={`translate(${d.x} ${d.y})`} onClick={onPick && (() => onPick(d.name))}>
            <circle r="4" />
            <text x={d.x > 290 ? -6 : 6} y={2.5 + rows.get(d.name)!} text-anchor={d.x > 290 ? 'end' : 'start'}>{textOf(d)}</text>
          </g>))}
      </svg>
      {dots.some((d) => d.latency != null) && (
        <p class="hint scale" aria-hidden="true"><i class="low" /> below 100 ms <i class="mid" /> below 300 ms <i class="high" /> slower</p>)}
      {elsewhere.length > 0 && <p class="hint">Not on the map, as their place is unknown: {elsewhere.map(textOf).join(', ')}</p>}
    </div>
  );
}
