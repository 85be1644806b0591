/* Two runs, chart over chart, and what differs between them for certain. */
import { useEffect, useMemo, useState } from 'preact/hooks';
import { get, query } from '../api/client';
import type { Comparison, Difference, LiveSeries, Run } from '../api/types';
import { Chart, ZoomBar, type ChartData } from '../components/chart';
import { Failure } from '../components/failure';
import { date, number, withUnit } from '../components/format';
import { CHARTS, scaled, type ChartKind } from '../components/run_charts';
import { regionLabel, Status } from '../components/status';
import { Swatch } from '../components/swatch';
import { Table, type Column } from '../components/table';
import { useAsked } from '../data/ask';
import { emptySeries, endOf } from '../data/series';
import { loadSeries } from '../data/stored';
import { useZoom, wholeSeconds } from '../data/view';

interface Side { run: Run; series: LiveSeries }

async function loadSide(id: string): Promise<Side> {
  const run = await get<Run>(`/runs/${id}`);
  return { run, series: await loadSeries(run, null) };
}

const NONE = emptySeries();

function column(series: LiveSeries, region: string, { key, factor }: ChartKind, t: number[]) {
  const values = scaled((region ? series.regions[region] : series.overall)?.[key], series.t.length, factor);
  const at = new Map(series.t.map((second, i) => [second, values[i]]));
  return t.map((second) => at.get(second) ?? null);
}

/* Both runs on the seconds that either has. */
function dataOf(a: LiveSeries, b: LiveSeries, region: string, kind: ChartKind): ChartData {
  const t = [...new Set([...a.t, ...b.t])].sort((x, y) => x - y);
  return { t, lines: [{ label: 'this run', values: column(b, region, kind, t) }, { label: 'base', values: column(a, region, kind, t) }] };
}

const VERDICTS: Record<Difference['verdict'], { text: string; look: string }> = {
  better: { text: '✓ better', look: 'good' },
  worse: { text: '✗ worse', look: 'bad' },
  same: { text: '= same', look: '' },
  different: { text: '≠ different', look: 'warn' },
  unclear: { text: '? too short to tell', look: 'hint' },
};

/* What users feel first, what gale measures of itself last. */
const FIRST = ['http_req_duration', 'http_req_failed', 'http_reqs', 'iteration_duration'];
function rank({ metric }: Difference): number {
  const at = FIRST.indexOf(metric);
  if (at >= 0) return at;
  return FIRST.length + Number(metric.startsWith('load_generator_'));
}

/* Too few blocks give an interval that means nothing. */
const isClear = (d: Difference) => d.verdict !== 'unclear';

const signed = (v: number | null, text: string) => (v != null && v > 0 ? `+${text}` : text);

function DifferencesTable({ rows, label }: { rows: Difference[]; label: (region: string) => string }) {
  const interval = (d: Difference) => (d.low == null || d.high == null ? '–' : `${withUnit(d.low, d.unit)} to ${withUnit(d.high, d.unit)}`);
  const columns: Column<Difference>[] = [
    { title: 'Metric', cell: (d) => <span class="long">{d.metric}</span>, order: (d) => d.metric },
    { title: 'Of', cell: (d) => d.agg, order: (d) => d.agg },
    { title: 'Region', cell: (d) => (d.region ? label(d.region) : 'overall'), order: (d) => d.region ?? '' },
    { title: 'Base', isNumber: true, cell: (d) => withUnit(d.base, d.unit), order: (d) => d.base },
    { title: 'This run', isNumber: true, cell: (d) => withUnit(d.value, d.unit), order: (d) => d.value },
    { title: 'Difference', isNumber: true, cell: (d) => signed(d.difference, withUnit(d.difference, d.unit)), order: (d) => d.difference },
    { title: '%', isNumber: true, cell: (d) => signed(d.percent, number(d.percent)), order: (d) => d.percent },
    { title: '95 % interval', isNumber: true, cell: (d) => (isClear(d) ? interval(d) : '–') },
    { title: 'p', isNumber: true, cell: (d) => (d.p_value == null || !isClear(d) ? '–' : d.p_value < 0.001 ? '< 0.001' : d.p_value.toFixed(3)), order: (d) => d.p_value },
    { title: 'Verdict', cell: (d) => <span class={VERDICTS[d.verdict].look}>{VERDICTS[d.verdict].text}</span>, order: (d) => d.verdict },
  ];
  return <Table label="Differences" columns={columns} rows={rows} rowKey={(d) => `${d.metric} ${d.agg} ${d.region}`} empty="The runs have nothing in common." />;
}

const Name = ({ title, run, line }: { title: string; run: Run; line: number }) =>
  <p><Swatch line={line} /> {title}: <a href={`/runs/${run.id}`}>{run.name || run.id}</a> <Status run={run} /> <span class="hint">{date(run.created_at)}</span></p>;

export function ComparePage() {
  const params = new URLSearchParams(location.search);
  const [base, run] = [params.get('base') ?? '', params.get('run') ?? ''];
  const [sides, setSides] = useState<[Side, Side]>();
  const [error, setError] = useState<unknown>();
  const [region, setRegion] = useState('');
  const zoom = useZoom();
  const differences = useAsked<Comparison>(
    base && run ? `/runs/${run}/compare${query({ with: base, by: 'region', ...wholeSeconds(zoom.span) })}` : null, { wait: 300 });
  useEffect(() => {
    if (base && run) Promise.all([loadSide(base), loadSide(run)]).then(setSides, setError);
  }, [base, run]);

  const [a, b] = sides?.map((s) => s.series) ?? [NONE, NONE];
  const data = useMemo(() => CHARTS.map((kind) => dataOf(a, b, region, kind)), [a, b, region]);
  const totals = sides?.[1].run.totals;
  const wholeOf = ({ key, factor }: ChartKind) => (region || totals?.[key] == null ? null : totals[key] * factor);
  if (!base || !run) return <><h1>Compare</h1><p class="card">Choose two runs in <a href="/">the list</a>.</p></>;
  if (error) return <><h1>Compare</h1><Failure error={error} /><p>Choose two other runs in <a href="/">the list</a>.</p></>;
  const regions = sides ? sides[0].run.regions.map((r) => r.region).filter((r) => sides[1].run.regions.some((o) => o.region === r)) : [];
  const emulated = new Set(sides?.flatMap((s) => s.run.regions.filter((r) => r.is_emulated).map((r) => r.region)));
  const label = (name: string) => regionLabel(name, emulated.has(name));
  zoom.setAll(Math.min(a.t[0] ?? 0, b.t[0] ?? 0), Math.max(endOf(a), endOf(b)));
  return (
    <>
      <div class="row"><h1>Compare</h1><a class="button" href={`/compare${query({ base: run, run: base })}`}>Swap</a></div>
      <div class="names">{sides && <><Name title="This run" run={sides[1].run} line={0} /><Name title="Base" run={sides[0].run} line={1} /></>}</div>
      <p class="filters"><label>Charts of <select value={region} onChange={(e) => setRegion(e.currentTarget.value)}>
        <option value="">all regions together</option>
        {regions.map((r) => <option key={r} value={r}>{label(r)}</option>)}
      </select></label></p>
      <ZoomBar zoom={zoom} />
      <div class="charts">
        {CHARTS.map((kind, i) => (
          <Chart key={kind.key} title={kind.title} unit={kind.unit} data={data[i]} whole={wholeOf(kind)} zoom={zoom} group="compare" />))}
      </div>
      <section class="card below"><h2>Differences</h2>
        <Failure error={differences.error} />
        {differences.value && <DifferencesTable rows={[...differences.value.rows].sort((x, y) => rank(x) - rank(y))} label={label} />}
        {differences.value && <p class="hint">{differences.value.method}. Of the time that the charts show.</p>}
      </section>
    </>
  );
}
