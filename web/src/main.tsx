import { render } from 'preact';
import 'uplot/dist/uPlot.min.css';
import './styles/base.css';
import './styles/charts.css';
import './styles/parts.css';
import { openShare } from './api/client';
import { ComparePage } from './pages/compare';
import { NewRunPage } from './pages/new_run';
import { RunPage } from './pages/run';
import { RunsPage } from './pages/runs';

function Page() {
  const path = location.pathname;
  const run = /^\/runs\/([^/]+)$/.exec(path)?.[1];
  if (run) return <RunPage id={decodeURIComponent(run)} />;
  if (path === '/new') return <NewRunPage />;
  if (path === '/compare') return <ComparePage />;
  return <RunsPage />;
}

openShare().then(() => render(
  <>
    <a class="skip" href="#main">Skip to the content</a>
    <header><a href="/" class="brand">gale</a><nav aria-label="Main"><a href="/">Runs</a> <a href="/new">New run</a></nav></header>
    <main id="main"><Page /></main>
  </>, document.getElementById('app')!));
