/* What of a page is looked at (regions, a span of seconds), kept in its address so that a link shows the same. */
import { useEffect, useMemo, useState } from 'preact/hooks';
import { Zoom } from './zoom';
import type { Span } from './series';

/* More lines in a chart can't be told apart. */
const MOST_REGIONS = 8;
const REST_MS = 200;

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

const writeSpan = (span: Span | null) => writeAddress((params) => {
  params.delete('from');
  params.delete('to');
  if (!span) return;
  params.set('from', span.from.toFixed(1));
  params.set('to', span.to.toFixed(1));
});

/* A zoom that reads and writes `from` and `to`. Charts follow it frame by frame; the component, and the address, once it
 * rests. */
export function useZoom(): Zoom {
  const zoom = useMemo(() => new Zoom(spanOfAddress(new URLSearchParams(location.search))), []);
  const [, setCount] = useState(0);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>;
    const unwatch = zoom.watch(() => {
      clearTimeout(timer);
      timer = setTimeout(() => { setCount((n) => n + 1); writeSpan(zoom.span); }, REST_MS);
    });
    return () => { unwatch(); clearTimeout(timer); };
  }, [zoom]);
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
  return [known.length ? known : all.slice(0, MOST_REGIONS), choose];
}
