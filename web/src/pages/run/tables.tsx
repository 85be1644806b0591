/* Tables that the run's page asks for beside what it follows: of the span that its charts show. */
import { useState } from 'preact/hooks';
import { may } from '../../api/caller';
import { query } from '../../api/client';
import type { Check, ErrorRow, Exemplar, List, LiveSeries, Page, Region, Run, Summary, Table, UrlRow } from '../../api/types';
import { Failure } from '../../components/failure';
import { PLACES } from '../../components/places';
import { ChecksTable, ErrorsTable, ExemplarsTable, RegionsTable, UrlsTable } from '../../components/results';
import { WorldMap } from '../../components/world_map';
import { useAsked } from '../../data/ask';
import { lastValues, spanValues } from '../../data/region_values';
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

/* Of a run that has ended the whole of what is shown counts, not its last second. */
export function RegionsPart({ run, isLive, span, label, series }: PartProps & { series: LiveSeries }) {
  const path = `/runs/${run.id}/summary${query({ ...wholeSeconds(span), trend_stats: 'p(50),p(95),p(99)' })}`;
  const { value, error } = useAsked<Summary>(isLive ? null : path, timing(false));
  /* Asked for only where the map does not know a place itself, and not by who has a share link: that may not ask. */
  const described = useAsked<List<Region>>(!may('viewer') || run.regions.every((r) => PLACES[r.region]) ? null : '/regions');
  const placeOf = (name: string) => described.value?.items.find((r) => r.name === name);
  const valuesOf = value ? spanValues(run, series, span, value) : lastValues(series);
  return (
    <section class="card wide beside"><h2>Regions</h2>
      <WorldMap dots={run.regions.map((r) => ({ name: r.region, latitude: placeOf(r.region)?.latitude, longitude: placeOf(r.region)?.longitude,
        latency: valuesOf(r.region).p95, note: r.is_emulated ? 'emulated' : '' }))} />
      <div>
        <Failure error={error} />
        <RegionsTable run={run} valuesOf={valuesOf} label={label} />
        <p class="hint">{isLive ? 'Of the last second.' : 'Of the time that the charts show; VUs at most.'}</p>
      </div>
    </section>
  );
}

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
    <section class="card wide"><h2>Checks</h2>
      <Failure error={error} />
      <ChecksTable checks={value?.items ?? []} regions={regions} label={label} />
    </section>
  );
}

export function ErrorsPart({ run, isLive, span, regions, label }: PartProps) {
  const { value, error } = useAsked<Table<ErrorRow>>(`/runs/${run.id}/errors${query(wholeSeconds(span))}`, timing(isLive));
  return (
    <section class="card wide"><h2>Errors</h2>
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
