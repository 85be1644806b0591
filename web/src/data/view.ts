/* What of a page is looked at (regions, a span of seconds), kept in its address so that a link shows the same. */
import { useEffect, useMemo, useState } from 'preact/hooks';
import { Zoom } from './zoom';
import type { Span } from './series';

/* More lines in a chart can't be told apart. */
const MOST_REGIONS = 8;

function spanOfAddress(params: URLSearchParams): Span | null {
  const from = Number(params.get('from') ?? NaN);
  const to = Number(params.get('to') ?? NaN);
  return from >= 0 && to > from ? { from, to } : null;
}

function writeAddress(change: (params: URLSearchParams) => void) {
  const url = new URL(location.href);
  change(url.searchParams);
  history.replaceState(null, '', url);
}

/* A zoom that follows and writes `from` and `to`; the component is drawn again when it changes. */
export function useZoom(): Zoom {
  const zoom = useMemo(() => new Zoom(spanOfAddress(new URLSearchParams(location.search))), []);
  const [, setCount] = useState(0);
  useEffect(() => zoom.watch(() => {
    setCount((n) => n + 1);
    writeAddress((params) => {
      params.delete('from');
      params.delete('to');
      if (!zoom.span) return;
      params.set('from', zoom.span.from.toFixed(1));
      params.set('to', zoom.span.to.toFixed(1));
    });
  }), [zoom]);
  return zoom;
}

/* Whole seconds, as the API takes them. */
export const wholeSeconds = (span: Span | null): Partial<Span> =>
  (span ? { from: Math.max(0, Math.floor(span.from)), to: Math.max(1, Math.ceil(span.to)) } : {});

/* The regions chosen of `all`, in their order; the first ones until something is chosen. */
export function useRegions(all: string[]): [string[], (chosen: string[]) => void] {
  const [chosen, setChosen] = useState(() => new URLSearchParams(location.search).getAll('region'));
  const known = all.filter((r) => chosen.includes(r));
  const choose = (next: string[]) => {
    setChosen(next);
    writeAddress((params) => {
      params.delete('region');
      next.forEach((r) => params.append('region', r));
    });
  };
  return [chosen.length ? known : all.slice(0, MOST_REGIONS), choose];
}
