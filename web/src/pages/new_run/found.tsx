/* What a script says of itself. */
import type { Found, Scenario } from '../../api/types';
import { clock, number } from '../../components/format';
import { Table, type Column } from '../../components/table';

const SCENARIOS: Column<Scenario>[] = [
  { title: 'Scenario', cell: (s) => s.name, order: (s) => s.name },
  { title: 'Executor', cell: (s) => s.executor, order: (s) => s.executor },
  { title: 'VUs', isNumber: true, cell: (s) => number(s.max_vus), order: (s) => s.max_vus },
  { title: 'Begins', isNumber: true, cell: (s) => clock(s.start_seconds), order: (s) => s.start_seconds },
  { title: 'Takes', isNumber: true, cell: (s) => clock(s.duration_seconds), order: (s) => s.duration_seconds },
  { title: 'Function', cell: (s) => s.exec },
];

const thresholdText = (list: unknown) =>
  [list].flat().map((t) => (typeof t === 'string' ? t : (t as { threshold?: string })?.threshold)).filter(Boolean).join(', ');

export function FoundPart({ found }: { found: Found }) {
  const thresholds = Object.entries(found.options.thresholds ?? {});
  return (
    <div class="found" aria-label="What the script says" role="group">
      <p>Up to <b>{number(found.max_vus)}</b> VUs for <b>{clock(found.duration_seconds)}</b>
        {found.modules.length > 0 && <>, with {found.modules.map((m) => <code key={m}>{m} </code>)}</>}</p>
      <Table label="Scenarios" columns={SCENARIOS} rows={found.scenarios} rowKey={(s) => s.name} />
      {thresholds.length > 0 && (
        <ul>{thresholds.map(([metric, list]) => <li key={metric}><code>{metric}</code> {thresholdText(list)}</li>)}</ul>)}
      {found.warnings.map((w) => <p key={w} class="warn">{w}</p>)}
      <details><summary>All options</summary><pre>{JSON.stringify(found.options, null, 2)}</pre></details>
    </div>
  );
}
