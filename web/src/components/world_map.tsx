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

/* More names would hide the map; each dot has its own as a title. */
const MOST_LABELS = 10;

interface Box { left: number; top: number; right: number; bottom: number }

/* Of a label, in degrees, as wide and high as styles/charts.css makes them on a small map. */
const LETTER = 4.8;
const LINE = 9;
const DOT = 4.5;

const meet = (a: Box, b: Box) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;

/* Beside the dot, on either side, or a line or two above or below. */
function labelBoxes({ x, y, ...d }: PlacedDot): Box[] {
  const width = textOf(d).length * LETTER;
  return [0, LINE, -LINE, 2 * LINE, -2 * LINE].flatMap((down) => [x + 6, x - 6 - width].map((left) =>
    ({ left, right: left + width, top: y + down - LINE / 2, bottom: y + down + LINE / 2 })));
}

/* Where each label covers neither a dot nor another label nor leaves the map, if there is such a place. */
function placeLabels(dots: PlacedDot[]): Map<string, Box> {
  const taken = dots.map(({ x, y }): Box => ({ left: x - DOT, right: x + DOT, top: y - DOT, bottom: y + DOT }));
  const labels = new Map<string, Box>();
  for (const d of [...dots].sort((a, b) => a.y - b.y)) {
    const boxes = labelBoxes(d);
    const free = boxes.find((b) => b.left > 0 && b.right < 360 && !taken.some((t) => meet(b, t))) ?? boxes[0];
    taken.push(free);
    labels.set(d.name, free);
  }
  return labels;
}

function Label({ d, box }: { d: PlacedDot; box: Box }) {
  const isLeft = box.left < d.x;
  return <text x={(isLeft ? box.right : box.left) - d.x} y={box.bottom - d.y - 1} text-anchor={isLeft ? 'end' : 'start'}>{textOf(d)}</text>;
}

export function WorldMap({ dots, onPick }: { dots: Dot[]; onPick?: (name: string) => void }) {
  const placed = dots.map(place).filter((d) => d !== undefined);
  const elsewhere = dots.filter((d) => !placed.some((p) => p.name === d.name));
  const labels = placed.length <= MOST_LABELS ? placeLabels(placed) : undefined;
  return (
    <div class="map">
      <svg viewBox="0 0 360 145" role="img" aria-label={`World map: ${dots.map(textOf).join(', ') || 'no regions'}`}>
        <path class="land" d={land} />
        {placed.map((d) => (
          <g key={d.name} class={`dot ${d.isChosen === false ? 'off' : levelOf(d.latency)} ${onPick ? 'pick' : ''}`}
            transform={`translate(${d.x} ${d.y})`} onClick={onPick && (() => onPick(d.name))}>
            <title>{textOf(d)}</title>
            <circle r="4" />
            {labels && <Label d={d} box={labels.get(d.name)!} />}
          </g>))}
      </svg>
      {dots.some((d) => d.latency != null) && (
        <p class="hint scale" aria-hidden="true"><span><i class="low" /> below 100 ms</span> <span><i class="mid" /> below 300 ms</span> <span><i class="high" /> slower</span></p>)}
      {elsewhere.length > 0 && <p class="hint">Not on the map, as their place is unknown: {elsewhere.map(textOf).join(', ')}</p>}
    </div>
  );
}
