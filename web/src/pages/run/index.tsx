/* One run: live while it runs, afterwards from the store. */
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { LiveSeries, Run, Threshold } from '../../api/types';
import { For } from '../../components/caller';
import { ZoomBar } from '../../components/chart';
import { Failure } from '../../components/failure';
import { clock, date, number } from '../../components/format';
import { RegionPicker } from '../../components/region_picker';
import { AgentsTable, ThresholdsTable } from '../../components/results';
import { RunCharts } from '../../components/run_charts';
import { regionLabel, Status, Verdicts } from '../../components/status';
import { Timeline } from '../../components/timeline';
import { useRun } from '../../data/run_state';
import { endOf, refine, type Span } from '../../data/series';
import { loadSeries } from '../../data/stored';
import { useRegions, useZoom, wholeSeconds } from '../../data/view';
import { LogsPart } from './logs';
import { AgainButtons, DeleteButton, EditButton, StopButton } from './manage';
import { DownloadMenu, ShareButton } from './share';
import { ChecksPart, ErrorsPart, ExemplarsPart, RegionsPart, UrlsPart } from './tables';
import { TargetPart } from './target';

const DRAG_MS = 300;

/* Long runs come in steps of many seconds; a span of them is asked for anew, as fine as it is stored. */
function useFine(run: Run | undefined, isLive: boolean, series: LiveSeries, span: Span | null): LiveSeries {
  const [fine, setFine] = useState<LiveSeries>();
  const isCoarse = !!run && !isLive && series.step > 1 && !!span;
  useEffect(() => {
    setFine(undefined);
    if (!isCoarse) return undefined;
    let isGone = false;
    const timer = setTimeout(() => {
      loadSeries(run, wholeSeconds(span) as Span).then((s) => { if (!isGone) setFine(s); }, () => {});
    }, DRAG_MS);
    return () => { isGone = true; clearTimeout(timer); };
  }, [isCoarse, span?.from, span?.to, run?.id]);
  return useMemo(() => (fine ? refine(series, fine) : series), [series, fine]);
}

/* One that a machine made by itself: nobody else has it, and it can't be run again from here. */
const isAlone = (run: Run) => run.regions.length === 0;

interface HeadProps { run: Run; isLive: boolean; isFinal: boolean; series: LiveSeries; thresholds: Threshold[] }

function Head({ run, isLive, isFinal, series, thresholds }: HeadProps) {
  const [edited, setEdited] = useState<Run>();
  const { name, notes } = edited ?? run;
  const crossed = thresholds.filter((t) => !t.ok).length;
  const test = run.test && run.test.name !== run.name ? `${run.test.name}, version ${run.test.version}` : '';
  return (
    <>
      <div class="row head">
        <div class="title">
          <h1>{name || run.id}</h1>
          <p class="meta">
            <Status run={run} />
            <span class="hint" role="timer">{clock(endOf(series))} of {clock(run.duration_seconds)}, up to {number(run.max_vus)} VUs</span>
            <span>Thresholds <Verdicts passed={thresholds.length - crossed} failed={crossed} /></span>
            <span class="hint">{date(run.created_at)}{run.created_by && ` by ${run.created_by}`}</span>
            {test && <span class="hint long">{test}</span>}
            {isFinal && <span role="status">The run has ended, and gale with it: this page has all that was measured.</span>}
          </p>
        </div>
        <div class="row acts">
          {(!isLive || isAlone(run)) && !isFinal && <DownloadMenu run={run} />}
          <For role="runner">
            {!isAlone(run) && <ShareButton run={run} />}
            {!isAlone(run) && <EditButton run={edited ?? run} onEdited={setEdited} />}
            {!isLive && !isAlone(run) && <AgainButtons run={run} />}
            {isLive && <StopButton run={run} />}
          </For>
          {!isLive && <For role="admin"><DeleteButton run={run} /></For>}
        </div>
      </div>
      {run.stop && <p class="notes">Stopped{run.stop.by && ` by ${run.stop.by}`}: {run.stop.reason}</p>}
      {notes && <p class="notes">{notes}</p>}
    </>
  );
}

export function RunPage({ id }: { id: string }) {
  const [state, error] = useRun(id);
  const zoom = useZoom();
  const { run, isLive, events, final } = state;
  const all = run?.regions.map((r) => r.region) ?? [];
  const [regions, choose] = useRegions(all);
  const series = useFine(run, isLive, state.series, zoom.span);
  if (!run) return <><h1>Run</h1><Failure error={error} />{!error && <p>Loading …</p>}</>;

  const emulated = new Set(run.regions.filter((r) => r.is_emulated).map((r) => r.region));
  const label = (region: string) => regionLabel(region, emulated.has(region));
  const part = { run, isLive, span: zoom.span, regions, label, final };
  zoom.setAll(series.t[0] ?? 0, endOf(series));
  return (
    <>
      <Head run={run} isLive={isLive} isFinal={!!final} series={series} thresholds={state.thresholds} />
      <Failure error={error} />
      {!isAlone(run) && <RegionPicker all={all} chosen={regions} onChoose={choose} label={label} />}
      <ZoomBar zoom={zoom} />
      <RunCharts series={series} regions={regions} label={label} events={events} zoom={zoom} whole={isLive ? null : run.totals} />
      <div class="parts">
        <RegionsPart {...part} series={series} />
        <section class="card"><h2>Timeline</h2><Timeline events={events} zoom={zoom} /></section>
        <section class="card"><h2>Thresholds</h2><ThresholdsTable thresholds={state.thresholds} /></section>
        <TargetPart run={run} isLive={isLive} isFinal={!!final} series={state.series} zoom={zoom} />
        <ChecksPart {...part} />
        <ErrorsPart {...part} />
        <UrlsPart {...part} />
        {!isAlone(run) && <section class="card wide"><h2>Agents</h2><AgentsTable agents={state.agents} label={label} /></section>}
        <ExemplarsPart {...part} />
        <LogsPart run={run} isLive={isLive || !!final} lines={state.logs} />
      </div>
    </>
  );
}
