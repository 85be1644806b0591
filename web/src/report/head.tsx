/* What was run, when, and how it went. */
import { clock, date, number } from '../components/format';
import { Status, Verdicts } from '../components/status';
import type { Report } from './types';

function verdict({ run, thresholds }: Report): string {
  const crossed = thresholds.filter((t) => !t.ok).length;
  if (run.phase !== 'ended') return 'It was still running when this was written.';
  if (run.stop?.reason) return `It was stopped: ${run.stop.reason}`;
  if (crossed > 0) return `${crossed} of ${thresholds.length} thresholds ${crossed === 1 ? 'was' : 'were'} crossed.`;
  return thresholds.length > 0 ? 'All thresholds hold.' : 'The script has no thresholds.';
}

export function Head({ report, regions }: { report: Report; regions: string }) {
  const { run, thresholds } = report;
  const crossed = thresholds.filter((t) => !t.ok).length;
  const facts: [string, preact.ComponentChildren][] = [
    ['Begun', date(run.started_at)],
    ['Took', clock(run.elapsed_seconds)],
    ['VUs, at most', number(run.max_vus)],
    ['Regions', regions],
    ['Thresholds', <Verdicts passed={thresholds.length - crossed} failed={crossed} />],
    ['Exit code', run.exit_code ?? '–'],
    ['Run', <code>{run.id}</code>],
    ['Written', `${date(report.made_at)} by gale ${report.gale}`],
  ];
  return (
    <>
      <div class="row"><h1>{run.name || run.id}</h1><Status run={run} /></div>
      <p>{verdict(report)}</p>
      {run.notes && <p class="notes">{run.notes}</p>}
      <dl class="facts card">{facts.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>
    </>
  );
}
