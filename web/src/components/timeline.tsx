/* What happened to a run, in order; pressing an event shows its seconds in the charts. */
import type { Event } from '../api/types';
import { clock } from './format';
import type { Zoom } from '../data/zoom';

const AROUND_SECONDS = 20;

export function Timeline({ events, zoom }: { events: Event[]; zoom: Zoom }) {
  const look = (second: number) => zoom.show({ from: second - AROUND_SECONDS, to: second + AROUND_SECONDS });
  if (events.length === 0) return <p class="hint">Nothing has happened.</p>;
  return (
    <ol class="lines" tabIndex={0} aria-label="Events">
      {events.map((e) => (
        <li key={e.id} class={e.severity}>
          {e.second == null ? <span class="at">before</span>
            : <button type="button" class="at" title="Show in the charts" onClick={() => look(e.second!)}>{clock(e.second)}</button>}
          {' '}<b>{e.kind.replace(/[_-]/g, ' ')}</b> {e.message}
        </li>))}
    </ol>
  );
}
