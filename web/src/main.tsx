import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import 'uplot/dist/uPlot.min.css';
import './style.css';
import { get, setToken, Problem, type List, type Run } from './api';
import { NewRun } from './new';
import { Compare, RunPage } from './run';

export function Failure({ error }: { error: unknown }) {
  if (!error) return null;
  if (error instanceof Problem && error.status === 401) {
    return (
      <form class="card" onSubmit={(e) => { e.preventDefault(); setToken(new FormData(e.currentTarget).get('token') as string); location.reload(); }}>
        <label>The controller asks for its token <input name="token" type="password" autocomplete="off" required /></label> <button>Continue</button>
      </form>
    );
  }
  return <p class="problem" role="alert">{error instanceof Error ? error.message : String(error)}</p>;
}

export const Status = ({ run }: { run: Run }) => {
  const text = run.result ?? run.phase;
  return <span class={`status ${text}`}>{text}</span>;
};

function Runs() {
  const [runs, setRuns] = useState<Run[]>();
  const [error, setError] = useState<unknown>();
  const [chosen, setChosen] = useState<string[]>([]);
  useEffect(() => {
    const load = () => get<List<Run>>('/runs').then((l) => { setRuns(l.items); setError(undefined); }, setError);
    load();
    const timer = setInterval(load, 2000);
    return () => clearInterval(timer);
  }, []);
  const toggle = (id: string) => setChosen((c) => (c.includes(id) ? c.filter((o) => o !== id) : [...c, id].slice(-2)));
  return (
    <>
      <div class="row"><h1>Runs</h1>
        {chosen.length === 2 && <a class="button" href={`/compare?a=${chosen[0]}&b=${chosen[1]}`}>Compare the two</a>}
        <a class="button primary" href="/new">New run</a></div>
      <Failure error={error} />
      {runs?.length === 0 && <p class="card">No run yet. Start one with <a href="/new">New run</a>, or with <code>gale run --fleet</code>.</p>}
      {!!runs?.length && (
        <div class="scroll card" tabIndex={0} role="region" aria-label="Runs"><table>
          <thead><tr><th>Compare</th><th>Run</th><th>Status</th><th>Regions</th><th class="n">VUs</th><th class="n">Time</th><th>Begun</th></tr></thead>
          <tbody>{runs.map((r) => (
            <tr key={r.id}>
              <td><input type="checkbox" aria-label={`Compare ${r.id}`} checked={chosen.includes(r.id)} onChange={() => toggle(r.id)} /></td>
              <td><a href={`/runs/${r.id}`}>{r.name || r.id}</a></td><td><Status run={r} /></td>
              <td>{r.regions.map((g) => `${g.region}${g.is_emulated ? ' (emulated)' : ''}`).join(', ')}</td>
              <td class="n">{r.max_vus}</td><td class="n">{Math.round(r.elapsed_seconds)} s</td>
              <td>{r.created_at ? new Date(r.created_at).toLocaleString() : '–'}</td>
            </tr>))}</tbody></table></div>)}
    </>
  );
}

function Page() {
  const path = location.pathname;
  const run = /^\/runs\/([^/]+)$/.exec(path)?.[1];
  if (run) return <RunPage id={decodeURIComponent(run)} />;
  if (path === '/new') return <NewRun />;
  if (path === '/compare') return <Compare />;
  return <Runs />;
}

render(
  <>
    <header><a href="/" class="brand">gale</a><nav aria-label="Main"><a href="/">Runs</a> <a href="/new">New run</a></nav></header>
    <main><Page /></main>
  </>, document.getElementById('app')!);
