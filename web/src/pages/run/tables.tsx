/* Tables that the run's page asks for beside what it follows: of the span that its charts show. */
import { useState } from 'preact/hooks';
import { query } from '../../api/client';
import type { Check, ErrorRow, Exemplar, List, Page, Run, Table, UrlRow } from '../../api/types';
import { Failure } from '../../components/failure';
import { ChecksTable, ErrorsTable, ExemplarsTable, UrlsTable } from '../../components/results';
import { useAsked } from '../../data/ask';
import type { Span } from '../../data/series';
import { wholeSeconds } from '../../data/view';

const LIVE_EVERY_MS = 3000;
const DRAG_MS = 300;

interface PartProps {
  run: Run;
  isLive: boolean;
  span: Span | null;
  regions: string[]; /* that are shown */
  label: (region: string) => string;
}

const timing = (isLive: boolean) => ({ every: isLive ? LIVE_EVERY_MS : 0, wait: DRAG_MS });

export function UrlsPart({ run, isLive, span, regions, label }: PartProps) {
  const [isSplit, setSplit] = useState(false);
  const path = `/runs/${run.id}/urls${query({ ...wholeSeconds(span), by: isSplit ? 'region' : null, limit: 500 })}`;
  const { value, error } = useAsked<Table<UrlRow>>(path, timing(isLive));
  const rows = value?.items.filter((u) => u.region == null || regions.includes(u.region)) ?? [];
  return (
    <section class="card wide">
      <div class="row"><h2>Requests</h2>
        <label><input type="checkbox" checked={isSplit} onChange={() => setSplit(!isSplit)} /> A row for each region</label></div>
      <Failure error={error} />
      <UrlsTable urls={rows} label={label} />
      {value && value.total > value.items.length && <p class="hint">The {value.items.length} most frequent of {value.total}.</p>}
    </section>
  );
}

export function ChecksPart({ run, isLive, regions, label }: PartProps) {
  const { value, error } = useAsked<List<Check>>(`/runs/${run.id}/checks`, timing(isLive));
  return (
    <section class="card"><h2>Checks</h2>
      <Failure error={error} />
      <ChecksTable checks={value?.items ?? []} regions={regions} label={label} />
    </section>
  );
}

export function ErrorsPart({ run, isLive, span, regions, label }: PartProps) {
  const { value, error } = useAsked<Table<ErrorRow>>(`/runs/${run.id}/errors${query(wholeSeconds(span))}`, timing(isLive));
  return (
    <section class="card"><h2>Errors</h2>
      <Failure error={error} />
      <ErrorsTable errors={value?.items ?? []} regions={regions} label={label} />
    </section>
  );
}

const TRACE_LINK = 'gale-trace-link';

export function ExemplarsPart({ run, isLive, span, regions, label }: PartProps) {
  const [link, setLink] = useState(() => localStorage.getItem(TRACE_LINK) ?? '');
  const path = `/runs/${run.id}/exemplars${query({ ...wholeSeconds(span), limit: 200 })}`;
  const { value, error } = useAsked<Page<Exemplar>>(path, timing(isLive));
  const rows = value?.items.filter((e) => regions.includes(e.region)) ?? [];
  const save = (text: string) => {
    setLink(text);
    localStorage.setItem(TRACE_LINK, text);
  };
  return (
    <section class="card wide"><h2>Slow and failed requests</h2>
      <Failure error={error} />
      <ExemplarsTable exemplars={rows} label={label} traceLink={link} />
      {rows.some((e) => e.trace_id) && (
        <label class="block">Traces are at <input type="url" class="wide" placeholder="https://tracing.example/trace/{trace_id}" value={link}
          onInput={(e) => save(e.currentTarget.value)} /></label>)}
    </section>
  );
}
