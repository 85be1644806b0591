import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import 'uplot/dist/uPlot.min.css';
import './styles/base.css';
import './styles/charts.css';
import './styles/parts.css';
import { caller, learnCaller, may, onlyRun } from './api/caller';
import { openShare } from './api/client';
import { NotForYou, WhoIsAsking } from './components/caller';
import { ComparePage } from './pages/compare';
import { NewRunPage } from './pages/new_run';
import { RunPage } from './pages/run';
import { RunsPage } from './pages/runs';

const path = location.pathname;

function Page({ isKnown }: { isKnown: boolean }) {
  const run = /^\/runs\/([^/]+)$/.exec(path)?.[1];
  if (run) return <RunPage id={decodeURIComponent(run)} />;
  if (!isKnown) return null;
  if (onlyRun()) return <p class="card">A share link shows one run: <a href={`/runs/${onlyRun()}`}>here it is</a>.</p>;
  if (path === '/new') return caller() && !may('runner') ? <NotForYou what="Starting a run" role="runner" /> : <NewRunPage />;
  if (path === '/compare') return <ComparePage />;
  return <RunsPage />;
}

const Link = ({ to, text }: { to: string; text: string }) => <a href={to} aria-current={path === to ? 'page' : undefined}>{text}</a>;

function Header() {
  return (
    <header>
      <a href={onlyRun() ? `/runs/${onlyRun()}` : '/'} class="brand">gale</a>
      {!onlyRun() && (
        <nav aria-label="Main">
          <Link to="/" text="Runs" />
          {(may('runner') || !caller()) && <Link to="/new" text="New run" />}
        </nav>)}
      <WhoIsAsking />
    </header>
  );
}

/* A run is asked for while it is still unknown who asks; it is seen when both are there. */
function App() {
  const [isKnown, setKnown] = useState(false);
  useEffect(() => void learnCaller().then(() => setKnown(true)), []);
  return (
    <div class={isKnown ? '' : 'unseen-yet'}>
      <a class="skip" href="#main">Skip to the content</a>
      <Header />
      <main id="main"><Page isKnown={isKnown} /></main>
    </div>
  );
}

openShare().then(() => render(<App />, document.getElementById('app')!));
