/* All that a run's page shows, kept up to date: followed while it runs, from the store once it has ended. */
import { useEffect, useState } from 'preact/hooks';
import { get } from '../api/client';
import { follow } from '../api/follow';
import type { Event, List, LiveSeries, LiveWindow, LogLine, Run, RunAgent, Snapshot, Threshold } from '../api/types';
import type { Report } from '../report/types';
import { emptySeries, putWindow } from './series';
import { loadStored } from './stored';

const MOST_LINES = 1000;

/* A page that is drawn more often than this only costs what the charts need. */
const DRAW_EVERY_MS = 50;

export interface RunState {
  run?: Run;
  series: LiveSeries;
  events: Event[];
  logs: LogLine[]; /* newest first */
  thresholds: Threshold[];
  agents: RunAgent[];
  isLive: boolean;
  final?: Report; /* of a run on one machine: nobody answers after its end, so that comes with all there is */
}

const emptyState = (): RunState =>
  ({ series: emptySeries(), events: [], logs: [], thresholds: [], agents: [], isLive: false });

const byId = (a: { id: number }, b: { id: number }) => a.id - b.id;

function takeSnapshot(s: RunState, snapshot: Snapshot) {
  s.run = snapshot.run;
  s.series = snapshot.series ?? emptySeries();
  s.thresholds = snapshot.thresholds.items;
  s.agents = snapshot.agents.items;
  s.events = [...snapshot.events].sort(byId);
  s.logs = [...snapshot.logs].sort(byId).reverse();
  s.isLive = snapshot.run.phase !== 'ended';
}

/* A page that was opened late has not seen the first of its seconds. */
function takeExport(s: RunState, all: Report) {
  s.final = all;
  s.events = all.events;
  if ((s.series.t[0] ?? 0) > (all.series.t[0] ?? 0)) s.series = all.series;
}

/* `s` is changed in place; what components compare (lists, the series) is made anew. */
function take(s: RunState, event: string, data: unknown) {
  switch (event) {
    case 'snapshot': takeSnapshot(s, data as Snapshot); break;
    case 'window': putWindow(s.series, data as LiveWindow); s.series = { ...s.series }; break;
    case 'phase': s.run = { ...s.run!, ...(data as Partial<Run>) }; break;
    case 'event': s.events = [...s.events, data as Event].slice(-MOST_LINES); break;
    case 'log': s.logs = [data as LogLine, ...s.logs].slice(0, MOST_LINES); break;
    case 'thresholds': s.thresholds = (data as List<Threshold>).items; break;
    case 'agents': s.agents = (data as List<RunAgent>).items; break;
    case 'export': takeExport(s, data as Report); break;
    case 'end': s.run = data as Run; s.isLive = false; break;
  }
}

/* Starts to keep the state of a run; `changed` is called at most every DRAW_EVERY_MS. */
function keep(id: string, changed: (state: RunState) => void, failed: (error: unknown) => void): () => void {
  const state = emptyState();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let unfollow = () => {};
  let isGone = false;
  const publish = () => {
    clearTimeout(timer);
    timer = undefined;
    if (!isGone) changed({ ...state });
  };
  const on = (event: string, data: unknown) => {
    take(state, event, data);
    if (event === 'snapshot') publish();
    else timer ??= setTimeout(publish, DRAW_EVERY_MS);
  };
  get<Run>(`/runs/${id}`).then(async (run) => {
    if (run.phase === 'ended') on('snapshot', await loadStored(run));
    else if (!isGone) unfollow = follow(id, on, failed);
  }).catch(failed);
  return () => {
    isGone = true;
    clearTimeout(timer);
    unfollow();
  };
}

export function useRun(id: string): [RunState, unknown] {
  const [state, setState] = useState(emptyState);
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    setState(emptyState());
    if (!id) return undefined;
    return keep(id, (s) => { setState(s); setError(undefined); }, setError);
  }, [id]);
  return [state, error];
}
