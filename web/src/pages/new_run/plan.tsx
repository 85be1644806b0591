/* Which agents a run would use. */
import type { Plan, PlanAgent } from '../../api/types';
import { clock, number } from '../../components/format';
import { Table, type Column } from '../../components/table';

interface Row extends PlanAgent { region: string; share: number }

const COLUMNS: Column<Row>[] = [
  { title: 'Region', cell: (r) => <span class="long">{r.region}</span>, order: (r) => r.region },
  { title: 'Share', isNumber: true, cell: (r) => `${number(r.share)} %`, order: (r) => r.share },
  { title: 'Agent', cell: (r) => <span class="long">{r.id + (r.zone ? ` (${r.zone})` : '')}</span>, order: (r) => r.id },
  { title: 'VUs', isNumber: true, cell: (r) => number(r.max_vus), order: (r) => r.max_vus },
  { title: 'It holds', isNumber: true, cell: (r) => number(r.capacity_vus), order: (r) => r.capacity_vus },
  { title: 'Load', isNumber: true, cell: (r) => `${number(r.load_percent)} %`, order: (r) => r.load_percent },
];

export function PlanPart({ plan }: { plan: Plan }) {
  const rows = plan.regions.flatMap((r) => r.agents.map((a) => ({ ...a, region: r.region, share: r.share })));
  return (
    <section class="card" aria-label="Plan" role="status"><h2>Plan</h2>
      <p>{number(plan.max_vus)} VUs on {rows.length} {rows.length === 1 ? 'agent' : 'agents'}, for {clock(plan.duration_seconds)} at most.</p>
      <Table label="Agents of the plan" columns={COLUMNS} rows={rows} rowKey={(r) => r.id} />
      {plan.warnings.map((w) => <p key={w} class="warn">{w}</p>)}
    </section>
  );
}
