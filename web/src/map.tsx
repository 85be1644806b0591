/* A coarse world of our own drawing: longitude and latitude of a few dozen corners. */
const LAND = [
  [-168, 66, -156, 71, -125, 70, -95, 72, -82, 68, -78, 58, -65, 60, -56, 52, -66, 45, -75, 38, -81, 31, -81, 25, -90, 30, -97, 26, -95, 18, -87, 21, -83, 10, -78, 8, -92, 14, -105, 20, -113, 30, -122, 37, -124, 47, -135, 58, -152, 60, -165, 55],
  [-78, 8, -72, 12, -60, 9, -50, 0, -35, -6, -39, -16, -48, -27, -58, -36, -65, -42, -68, -54, -74, -50, -72, -30, -71, -18, -81, -5],
  [-55, 60, -43, 60, -22, 70, -18, 80, -40, 83, -70, 78],
  [-9, 38, -9, 43, -1, 44, -4, 48, 3, 51, 9, 54, 9, 57, 5, 59, 6, 63, 15, 69, 28, 71, 42, 67, 60, 69, 75, 73, 105, 77, 140, 73, 170, 70, 180, 66, 162, 60, 156, 52, 142, 59, 135, 54, 140, 48, 129, 42, 127, 35, 122, 39, 122, 30, 110, 20, 106, 10, 103, 2, 99, 8, 94, 17, 88, 22, 80, 14, 77, 8, 72, 20, 62, 25, 57, 26, 52, 24, 58, 20, 45, 13, 35, 28, 35, 36, 27, 37, 22, 37, 16, 40, 12, 44, 3, 42, -2, 37],
  [-17, 15, -10, 30, -5, 36, 10, 37, 20, 31, 33, 31, 43, 12, 51, 11, 40, -4, 40, -15, 33, -27, 26, -34, 18, -34, 12, -17, 9, 3, -8, 5],
  [114, -22, 130, -12, 137, -16, 142, -11, 153, -27, 150, -37, 140, -38, 131, -32, 116, -35],
  [-5, 50, 1, 51, -2, 57, -5, 58], [130, 32, 136, 34, 141, 36, 142, 44, 139, 38], [44, -16, 50, -16, 47, -25],
  [96, 5, 106, -6, 115, -8, 104, -4], [109, 1, 117, 6, 118, 1, 114, -4], [131, -1, 147, -6, 150, -10, 138, -8], [167, -46, 174, -41, 178, -38, 174, -36, 172, -41],
];
const PLACES: Record<string, [number, number]> = {
  'us-east-1': [39, -77.5], 'us-east-2': [40, -83], 'us-west-1': [37.4, -122], 'us-west-2': [45.8, -119.7],
  'ca-central-1': [45.5, -73.6], 'sa-east-1': [-23.5, -46.6], 'eu-west-1': [53.3, -6.3], 'eu-west-2': [51.5, -0.1],
  'eu-west-3': [48.9, 2.4], 'eu-central-1': [50.1, 8.7], 'eu-north-1': [59.3, 18.1], 'eu-south-1': [45.5, 9.2],
  'af-south-1': [-33.9, 18.4], 'me-south-1': [26, 50.5], 'ap-south-1': [19.1, 72.9], 'ap-southeast-1': [1.35, 103.8],
  'ap-southeast-2': [-33.9, 151.2], 'ap-northeast-1': [35.7, 139.7], 'ap-northeast-2': [37.6, 127], 'ap-northeast-3': [34.7, 135.5],
  'ap-east-1': [22.3, 114.2],
};
const x = (lon: number) => lon + 180;
const y = (lat: number) => 85 - lat;
const path = LAND.map((p) => p.reduce((d, v, i) => d + (i % 2 ? `${y(v)} ` : `${i ? 'L' : 'M'}${x(v)},`), '') + 'Z').join('');

export interface Dot { name: string; latitude?: number | null; longitude?: number | null; latency?: number | null; chosen?: boolean; note?: string }

const level = (ms?: number | null) => (ms == null ? 'none' : ms < 100 ? 'low' : ms < 300 ? 'mid' : 'high');

/* Regions without known coordinates are listed below the map instead. */
export function WorldMap({ dots }: { dots: Dot[] }) {
  const placed = dots.map((d) => ({ ...d, at: d.latitude != null && d.longitude != null ? [d.latitude, d.longitude] : PLACES[d.name] }));
  const without = placed.filter((d) => !d.at).map((d) => d.name);
  const text = (d: Dot) => `${d.name}${d.latency == null ? '' : ` ${Math.round(d.latency)} ms`}${d.note ? ` (${d.note})` : ''}`;
  return (
    <div class="map">
      <svg viewBox="0 0 360 145" role="img" aria-label={`World map: ${dots.map(text).join(', ') || 'no regions'}`}>
        <path class="land" d={path} />
        {placed.filter((d) => d.at).map((d) => (
          <g key={d.name} class={`dot ${d.chosen === false ? 'off' : level(d.latency)}`} transform={`translate(${x(d.at[1])} ${y(d.at[0])})`}>
            <circle r="4" />
            <text x={d.at[1] > 100 ? -6 : 6} y="2.5" text-anchor={d.at[1] > 100 ? 'end' : 'start'}>{text(d)}</text>
          </g>
        ))}
      </svg>
      {without.length > 0 && <p class="hint">Not on the map (place unknown): {without.join(', ')}</p>}
    </div>
  );
}
