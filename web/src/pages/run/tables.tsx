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
import type { Report } from '../../report/types';
import { wholeSeconds } from '../../data/view';

const LIVE_EVERY_MS = 3000;
const DRAG_MS = 300;

interface PartProps {
  run: Run;
  isLive: boolean;
  span: Span | null;
  regions: string[]; /* that are shown */
  label: (region: string) => string;
  final?: Report; /* all that there will ever be: nothing is asked for */
}

const timing = (isLive: boolean) => ({ every: isLive ? LIVE_EVERY_MS : 0, wait: DRAG_MS });

/* Of a run that has ended the whole of what is shown counts, not its last second. */
export function RegionsPart({ run, isLive, span, label, series, final }: PartProps & { series: LiveSeries }) {
  const path = `/runs/${run.id}/summary${query({ ...wholeSeconds(span), trend_stats: 'p(50),p(95),p(99)' })}`;
  const { value, error } = useAsked<Summary>(isLive || final ? null : path, timing(false));
  /* Asked for only where the map does not know a place itself, and not by who has a share link: that may not ask. */
  const described = useAsked<List<Region>>(!may('viewer') || run.regions.every((r) => PLACES[r.region]) ? null : '/regions');
  const placeOf = (name: string) => described.value?.items.find((r) => r.name === name);
  const summary = final ? final.summary : value;
  const valuesOf = !isLive && summary ? spanValues(run, series, final ? null : span, summary) : lastValues(series);
  const hint = isLive ? 'Of the last second.' : final ? 'Of the whole run; VUs at most.' : 'Of the time that the charts show; VUs at most.';
  if (run.regions.length === 0)
    return (
      <section class="card wide"><h2>Overall</h2>
        <Failure error={error} />
        <RegionsTable run={run} valuesOf={valuesOf} label={label} />
        <p class="hint">{hint}</p>
      </section>
    );
  return (
    <section class="card wide beside"><h2>Regions</h2>
      <WorldMap dots={run.regions.map((r) => ({ name: r.region, latitude: placeOf(r.region)?.latitude, longitude: placeOf(r.region)?.longitude,
        latency: valuesOf(r.region).p95, note: r.is_emulated ? 'emulated' : '' }))} />
      <div>
        <Failure error={error} />
        <RegionsTable run={run} valuesOf={valuesOf} label={label} />
        <p class="hint">{hint}</p>
      </div>
    </section>
  );
}

export function UrlsPart({ run, isLive, span, regions, label, final }: PartProps) {
  const [isSplit, setSplit] = useState(false);
  const path = `/runs/${run.id}/urls${query({ ...wholeSeconds(span), by: isSplit ? 'region' : null, limit: 500 })}`;
  const { value, error } = useAsked<Table<UrlRow>>(final ? null : path, timing(isLive));
  const rows = final ? final.urls : value?.items.filter((u) => u.region == null || regions.includes(u.region)) ?? [];
  return (
    <section class="card wide">
      <div class="row"><h2>Requests</h2>
        {run.regions.length > 0
          && <label><input type="checkbox" checked={isSplit} onChange={() => setSplit(!isSplit)} /> A row for each region</label>}</div>
      <Failure error={error} />
      <UrlsTable urls={rows} label={label} />
      {value && value.total > value.items.length && <p class="hint">The {value.items.length} most frequent of {value.total}.</p>}
    </section>
  );
}

export function ChecksPart({ run, isLive, regions, label, final }: PartProps) {
  const { value, error } = useAsked<List<Check>>(final ? null : `/runs/${run.id}/checks`, timing(isLive));
  return (
    <section class="card wide"><h2>Checks</h2>
      <Failure error={error} />
      <ChecksTable checks={final?.checks ?? value?.items ?? []} regions={regions} label={label} />
    </section>
  );
}

export function ErrorsPart({ run, isLive, span, regions, label, final }: PartProps) {
  const path = `/runs/${run.id}/errors${query(wholeSeconds(span))}`;
  const { value, error } = useAsked<Table<ErrorRow>>(final ? null : path, timing(isLive));
  return (
    <section class="card wide"><h2>Errors</h2>
      <Failure error={error} />
      <ErrorsTable errors={final?.errors ?? value?.items ?? []} regions={regions} label={label} />
    </section>
  );
}

const TRACE_LINK = 'gale-trace-link';

export function ExemplarsPart({ run, isLive, span, regions, label, final }: PartProps) {
  const [link, setLink] = useState(() => localStorage.getItem(TRACE_LINK) ?? '');
  const path = `/runs/${run.id}/exemplars${query({ ...wholeSeconds(span), limit: 200 })}`;
  const { value, error } = useAsked<Page<Exemplar>>(final ? null : path, timing(isLive));
  const rows = (final?.exemplars ?? value?.items ?? []).filter((e) => run.regions.length === 0 || regions.includes(e.region));
  if (run.regions.length === 0 && rows.length === 0) return null; /* a machine by itself keeps them only when told to */
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
