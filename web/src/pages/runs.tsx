/* All runs, newest first, and how each test's runs have developed. */
import { useEffect, useState } from 'preact/hooks';
import { get, query } from '../api/client';
import type { Page, Run, Trend } from '../api/types';
import { For } from '../components/caller';
import { Failure } from '../components/failure';
import { clock, date, number, percent, withUnit } from '../components/format';
import { Sparkline } from '../components/sparkline';
import { regionLabel, Status, Verdicts } from '../components/status';
import { Table, type Column } from '../components/table';
import { useAsked } from '../data/ask';

const LOOK_EVERY_MS = 2000;
const TYPING_MS = 250;
const PAGE = 25;

const STATES = ['passed', 'failed', 'aborted', 'error', 'running'] as const;

interface Filter { q: string; state: string; region: string; test: string }

const filterOfAddress = (): Filter => {
  const params = new URLSearchParams(location.search);
  const [q, state, region, test] = ['q', 'state', 'region', 'test'].map((name) => params.get(name) ?? '');
  return { q, state, region, test };
};

function Filters({ filter, onFilter }: { filter: Filter; onFilter: (f: Filter) => void }) {
  const set = (change: Partial<Filter>) => onFilter({ ...filter, ...change });
  return (
    <form class="filters" role="search" onSubmit={(e) => e.preventDefault()}>
      <label>Name contains <input value={filter.q} maxLength={200} onInput={(e) => set({ q: e.currentTarget.value })} /></label>
      <label>Status <select value={filter.state} onChange={(e) => set({ state: e.currentTarget.value })}>
        <option value="">any</option>
        {STATES.map((s) => <option key={s}>{s}</option>)}
      </select></label>
      <label>Region <input value={filter.region} maxLength={63} onInput={(e) => set({ region: e.currentTarget.value })} /></label>
      {filter.test && <button type="button" onClick={() => set({ test: '' })}>All tests</button>}
    </form>
  );
}

/* Trends of the tests that are seen, asked for again when one of their runs has ended. */
function useTrends(runs: Run[]): Record<string, Trend | undefined> {
  const [trends, setTrends] = useState<Record<string, Trend | undefined>>({});
  const tests = [...new Set(runs.map((r) => r.test?.id).filter(Boolean))];
  const ended = runs.filter((r) => r.phase === 'ended').map((r) => r.id).join();
  useEffect(() => {
    let isGone = false;
    for (const test of tests)
      get<Trend>(`/tests/${test}/trend?last=20`).then((t) => { if (!isGone) setTrends((old) => ({ ...old, [test]: t })); }, () => {});
    return () => { isGone = true; };
  }, [tests.join(), ended]);
  return trends;
}

const FEW_REGIONS = 2;

function regionsText({ regions }: Run): string {
  const areAllEmulated = regions.length > 1 && regions.every((r) => r.is_emulated);
  const names = regions.slice(0, FEW_REGIONS).map((r) => regionLabel(r.region, r.is_emulated && !areAllEmulated)).join(', ');
  const more = regions.length > FEW_REGIONS ? ` and ${regions.length - FEW_REGIONS} more` : '';
  return names + more + (areAllEmulated ? ' (all emulated)' : '');
}

interface RunsTableProps { runs: Run[]; trends: Record<string, Trend | undefined>; chosen: string[]; onToggle: (id: string) => void }

function RunsTable({ runs, trends, chosen, onToggle }: RunsTableProps) {
  const columns: Column<Run>[] = [
    { title: 'Pick', cell: (r) => <input type="checkbox" aria-label={`Compare ${r.name || r.id} of ${date(r.created_at)}`} checked={chosen.includes(r.id)} onChange={() => onToggle(r.id)} /> },
    { title: 'Run', cell: (r) => <a class="long" href={`/runs/${r.id}`}>{r.name || r.id}</a>, order: (r) => r.name },
    { title: 'Status', cell: (r) => <Status run={r} />, order: (r) => r.result ?? r.phase },
    { title: 'Thresholds', cell: (r) => (r.totals ? <Verdicts passed={r.totals.thresholds_passed} failed={r.totals.thresholds_failed} /> : '–'),
      order: (r) => r.totals?.thresholds_failed ?? null },
    { title: 'p(95)', isNumber: true, cell: (r) => withUnit(r.totals?.p95, 'ms'), order: (r) => r.totals?.p95 ?? null },
    { title: 'Trend', cell: (r) => (trends[r.test?.id] ? <a href={`/?test=${r.test.id}`}><Sparkline trend={trends[r.test.id]!} now={r.id} /></a> : '') },
    { title: 'Begun', cell: (r) => date(r.created_at), order: (r) => r.created_at },
    { title: 'Requests', isNumber: true, cell: (r) => number(r.totals?.requests), order: (r) => r.totals?.requests ?? null },
    { title: 'Failed', isNumber: true, cell: (r) => percent(r.totals?.failed), order: (r) => r.totals?.failed ?? null },
    { title: 'VUs', isNumber: true, cell: (r) => number(r.max_vus), order: (r) => r.max_vus },
    { title: 'Time', isNumber: true, cell: (r) => clock(r.elapsed_seconds), order: (r) => r.elapsed_seconds },
    { title: 'Regions', cell: (r) => <span class="long regions">{regionsText(r)}</span>, order: regionsText },
  ];
  return <Table label="Runs" columns={columns} rows={runs} rowKey={(r) => r.id} />;
}

export function RunsPage() {
  const [filter, setFilter] = useState(filterOfAddress);
  const [cursors, setCursors] = useState<string[]>([]); /* of this page and those before it; the first has none */
  const [chosen, setChosen] = useState<string[]>([]);
  const { q, state, region, test } = filter;
  const path = `/runs${query({ q, region, test, limit: PAGE, cursor: cursors.at(-1),
    phase: state === 'running' ? 'planned,delivering,initialising,setup,running,teardown' : null,
    result: state === 'running' ? null : state })}`;
  const { value, error } = useAsked<Page<Run>>(path, { every: LOOK_EVERY_MS, wait: q || region ? TYPING_MS : 0 });
  const runs = value?.items ?? [];
  const trends = useTrends(runs);
  const change = (next: Filter) => {
    setFilter(next);
    setCursors([]);
    history.replaceState(null, '', `/${query({ ...next })}`);
  };
  const toggle = (id: string) => setChosen((c) => (c.includes(id) ? c.filter((o) => o !== id) : [...c, id].slice(-2)));
  const isFiltered = !!(q || state || region || test);
  return (
    <>
      <div class="row">
        <h1>Runs</h1>
        {chosen.length === 2 && <a class="button" href={`/compare${query({ base: chosen[0], run: chosen[1] })}`}>Compare the two</a>}
        <For role="runner"><a class="button primary" href="/new">New run</a></For>
      </div>
      <Filters filter={filter} onFilter={change} />
      <Failure error={error} />
      {value && runs.length === 0 && (isFiltered ? <p class="card">No run is like that.</p>
        : <p class="card">No run yet. <For role="runner">Start one with <a href="/new">New run</a>, or with <code>gale run --fleet</code>.</For></p>)}
      {runs.length > 0 && <section class="card"><RunsTable runs={runs} trends={trends} chosen={chosen} onToggle={toggle} /></section>}
      <p class="row">
        {cursors.length > 0 && <button type="button" onClick={() => setCursors(cursors.slice(0, -1))}>Newer runs</button>}
        {value?.next && <button type="button" onClick={() => setCursors([...cursors, value.next!])}>Older runs</button>}
      </p>
    </>
  );
}
