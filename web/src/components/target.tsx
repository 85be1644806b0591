/* The target's own metrics under the run's charts, and which of them moved with its latency. */
import { useMemo, useState } from 'preact/hooks';
import type { Target, TargetRow } from '../data/target';
import type { Zoom } from '../data/zoom';
import { Chart } from './chart';
import { number } from './format';
import { Table, type Column } from './table';

const FIRST_CHARTS = 3;

const keyOf = ({ series }: TargetRow) => `${series.target} ${series.name}`;

function delayText({ moved }: TargetRow, step: number): string {
  if (!moved) return '';
  if (moved.lag === 0) return 'at once';
  return `${Math.abs(moved.lag) * step} s ${moved.lag > 0 ? 'before' : 'after'} it`;
}

/* `t`, `step`: the seconds of the target's values. Where there is none there is nothing. */
export function TargetView({ target, t, step, zoom }: { target: Target; t: number[]; step: number; zoom: Zoom }) {
  const { rows, leftOut } = target;
  const [picked, setPicked] = useState<string[]>();
  const chosen = picked ?? rows.slice(0, FIRST_CHARTS).map(keyOf);
  const data = useMemo(() => new Map(rows.map(({ series }) => [series, { t, lines: [{ label: series.name, values: series.values }] }])), [rows, t]);
  const toggle = (key: string) => setPicked(chosen.includes(key) ? chosen.filter((k) => k !== key) : [...chosen, key]);
  const columns: Column<TargetRow>[] = [
    { title: 'Chart', cell: (r) => <input type="checkbox" aria-label={`Chart of ${keyOf(r)}`} checked={chosen.includes(keyOf(r))} onChange={() => toggle(keyOf(r))} /> },
    { title: 'Target', cell: (r) => r.series.target, order: (r) => r.series.target },
    { title: 'Series', cell: (r) => <code class="long">{r.series.name}</code>, order: (r) => r.series.name },
    { title: 'With p(95)', isNumber: true, cell: (r) => <span class={r.isBeyondChance ? '' : 'hint'}>{number(r.moved?.coefficient)}</span>,
      order: (r) => (r.moved ? Math.abs(r.moved.coefficient) : null) },
    { title: 'It moved', cell: (r) => delayText(r, step), order: (r) => r.moved?.lag ?? null },
    { title: 'Beyond chance', cell: (r) => (r.isBeyondChance ? 'yes' : 'no'), order: (r) => Number(r.isBeyondChance) },
  ];
  if (rows.length === 0) return null;
  return (
    <section class="card wide target"><h2>The target’s own metrics</h2>
      <div class="charts">
        {rows.filter((r) => chosen.includes(keyOf(r))).map(({ series }) => (
          <Chart key={series.target + series.name} title={`${series.target}: ${series.name}`} unit={series.unit} zoom={zoom} group="run"
            data={data.get(series)!} />))}
      </div>
      <Table label="The target’s series" columns={columns} rows={rows} rowKey={keyOf} />
      <p class="hint">Correlation with p(95) of all regions, at the delay where it is strongest: a hint, no proof.
        {leftOut > 0 && ` ${leftOut} more metrics are not shown.`}</p>
    </section>
  );
}
