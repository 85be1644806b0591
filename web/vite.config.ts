import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { feature } from 'topojson-client';
import { defineConfig, type Plugin } from 'vite';

/* A ring that crosses the date line goes on beyond it, and is drawn once more a world further. */
function unwrapped(points: number[][]): number[][][] {
  let turns = 0;
  const ring = points.map(([longitude, latitude], i) => {
    const step = i ? longitude - points[i - 1][0] : 0;
    if (Math.abs(step) > 180) turns -= Math.sign(step) * 360;
    return [longitude + turns, latitude];
  });
  const beyond = ring.find(([longitude]) => Math.abs(longitude) > 180);
  return beyond ? [ring, ring.map(([longitude, latitude]) => [longitude - Math.sign(beyond[0]) * 360, latitude])] : [ring];
}

/* The outline of the world's land as an SVG path: longitude + 180 and 85 - latitude, in tenths of a degree. */
function landPath(): string {
  const file = createRequire(import.meta.url).resolve('world-atlas/land-110m.json');
  const atlas = JSON.parse(readFileSync(file, 'utf8'));
  const point = ([longitude, latitude]: number[]) => `${+(longitude + 180).toFixed(1)} ${+(85 - latitude).toFixed(1)}`;
  const ring = (points: number[][]) => `M${points.map(point).join('L')}Z`;
  const isAntarctica = (points: number[][]) => points.every(([, latitude]) => latitude < -60);
  return feature(atlas, atlas.objects.land).features
    .flatMap((f: { geometry: { coordinates: number[][][][] } }) => f.geometry.coordinates)
    .filter((polygon: number[][][]) => !isAntarctica(polygon[0]))
    .flatMap((polygon: number[][][]) => polygon.flatMap(unwrapped).map(ring)).join('');
}

const land = (): Plugin => ({
  name: 'land',
  resolveId: (id) => (id === 'virtual:land' ? `\0${id}` : undefined),
  load: (id) => (id === '\0virtual:land' ? `export const land = ${JSON.stringify(landPath())};` : undefined),
});

export default defineConfig({
  plugins: [land()],
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: { assetsInlineLimit: 0, modulePreload: { polyfill: false } },
});
