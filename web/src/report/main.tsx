/* The report of a run: everything it shows is in the page (vite.report.config.ts, api/run_export.c). */
import { render } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import 'uplot/dist/uPlot.min.css';
import '../styles/base.css';
import '../styles/charts.css';
import '../styles/parts.css';
import './report.css';
import { ZoomBar } from '../components/chart';
import { RegionPicker } from '../components/region_picker';
import { ChecksTable, ErrorsTable, ExemplarsTable, ThresholdsTable, UrlsTable } from '../components/results';
import { RunCharts } from '../components/run_charts';
import { regionLabel } from '../components/status';
import { TargetView } from '../components/target';
import { Timeline } from '../components/timeline';
import { endOf } from '../data/series';
import { rankTarget, targetOf, type Target } from '../data/target';
import { Zoom } from '../data/zoom';
import { Head } from './head';
import { MetricsTable, RegionsSummary } from './tables';
import type { Report } from './types';

const MOST_LINES = 8;

function useZoom(): Zoom {
  const zoom = useMemo(() => new Zoom(), []);
  const [, setCount] = useState(0);
  useEffect(() => zoom.watch(() => setCount((n) => n + 1)), [zoom]);
  return zoom;
}

const LEFT_OUT: Record<string, string> = {
  regions: 'regions have no lines of their own', urls: 'more rows of requests', checks: 'more checks',
  errors: 'more errors', events: 'more events', target: 'more series of the target',
};

/* What the file has less of than the run had. */
function LeftOut({ report }: { report: Report }) {
  const { thinned } = report.series;
  const texts = Object.entries(report.left_out).map(([name, n]) => `${n} ${LEFT_OUT[name] ?? `more ${name}`}`);
  if (thinned) texts.unshift(`of every ${thinned} seconds each line has its least and its greatest value`);
  if (texts.length === 0) return null;
  return <p class="hint">To keep this file small: {texts.join('; ')}. The run itself is not rounded: tables are of all of it.</p>;
}

function targetIn({ series, left_out }: Report): Target {
  const all = Object.entries(series.target).map(([name, values]) => {
    const { target, metric } = targetOf(name);
    return { name: metric, target, unit: '', values };
  });
  return { rows: rankTarget(all, series.overall.p95 ?? []), leftOut: left_out.target ?? 0 };
}

function Page({ report }: { report: Report }) {
  const { run, series, events } = report;
  const zoom = useZoom();
  const all = Object.keys(series.regions);
  const [chosen, choose] = useState(all.slice(0, MOST_LINES));
  const emulated = new Set(run.regions.filter((r) => r.is_emulated).map((r) => r.region));
  const label = (region: string) => regionLabel(region, emulated.has(region));
  const regions = run.regions.map((r) => r.region);
  const target = useMemo(() => targetIn(report), [report]);
  zoom.setAll(series.t[0] ?? 0, endOf(series));
  return (
    <main>
      <Head report={report} regions={regions.length ? regions.map(label).join(', ') : 'this machine'} />
      <RegionPicker all={all} chosen={chosen} onChoose={choose} label={label} />
      <ZoomBar zoom={zoom} />
      <RunCharts series={series} regions={chosen} label={label} events={events} zoom={zoom} whole={run.totals} />
      <LeftOut report={report} />
      <div class="parts">
        <section class="card wide"><h2>Regions</h2><RegionsSummary report={report} label={label} /></section>
        <section class="card"><h2>Thresholds</h2><ThresholdsTable thresholds={report.thresholds} /></section>
        <section class="card"><h2>Timeline</h2><Timeline events={events} zoom={zoom} /></section>
        <TargetView target={target} t={series.t} step={series.step} zoom={zoom} />
        <section class="card wide"><h2>Checks</h2><ChecksTable checks={report.checks} regions={all} label={label} /></section>
        <section class="card wide"><h2>Metrics</h2><MetricsTable metrics={report.summary.metrics} /></section>
        <section class="card wide"><h2>Requests</h2><UrlsTable urls={report.urls} label={label} /></section>
        <section class="card wide"><h2>Errors</h2><ErrorsTable errors={report.errors} regions={all} label={label} /></section>
        {report.exemplars.length > 0 && (
          <section class="card wide"><h2>Slow and failed requests</h2>
            <ExemplarsTable exemplars={report.exemplars} label={label} traceLink={report.trace_link ?? ''} />
          </section>)}
      </div>
    </main>
  );
}

const report: Report = JSON.parse(document.getElementById('data')!.textContent!);
document.title = `${report.run.name || report.run.id} – gale`;
render(<Page report={report} />, document.getElementById('app')!);
