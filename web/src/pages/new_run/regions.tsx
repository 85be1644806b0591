/* From where, and how much of the load from each. */
import type { Region } from '../../api/types';
import { number } from '../../components/format';
import { regionLabel } from '../../components/status';
import { Table, type Column } from '../../components/table';
import { WorldMap } from '../../components/world_map';
import { evenShares, sharesProblem, type Draft, type Load } from './draft';

interface RegionsPartProps { regions?: Region[]; draft: Draft; onChange: (change: Partial<Draft>) => void }

const LOADS: { load: Load; text: string }[] = [
  { load: 'total', text: 'The script’s load, shared out' },
  { load: 'per-region', text: 'The script’s load in each region' },
];

export function RegionsPart({ regions, draft, onChange }: RegionsPartProps) {
  const { shares, load } = draft;
  const chosen = Object.keys(shares);
  const toggle = (name: string) =>
    onChange({ shares: evenShares(chosen.includes(name) ? chosen.filter((o) => o !== name) : [...chosen, name]) });
  const share = (name: string) => (
    <input type="number" min="0" max="100" step="any" aria-label={`Share of ${name}`} disabled={!(name in shares)} value={shares[name] ?? ''}
      onInput={(e) => onChange({ shares: { ...shares, [name]: Number(e.currentTarget.value) } })} />
  );
  const columns: Column<Region>[] = [
    { title: 'Use', cell: (r) => <input type="checkbox" aria-label={`Use ${r.name}`} checked={r.name in shares} onChange={() => toggle(r.name)} /> },
    { title: 'Region', cell: (r) => <span class="long">{regionLabel(r.title && r.title !== r.name ? `${r.name}, ${r.title}` : r.name, r.is_emulated)}</span>, order: (r) => r.name },
    { title: 'Agents', isNumber: true, cell: (r) => r.agents.ready, order: (r) => r.agents.ready },
    { title: 'VUs free', isNumber: true, cell: (r) => number(r.free_vus), order: (r) => r.free_vus },
    ...(load === 'total' ? [{ title: 'Share %', isNumber: true, cell: (r: Region) => share(r.name) }] : []),
  ];
  const problem = sharesProblem(draft);
  return (
    <section class="card"><h2>Regions</h2>
      <WorldMap onPick={toggle} dots={(regions ?? []).map((r) => ({ ...r, isChosen: r.name in shares, note: r.is_emulated ? 'emulated' : '' }))} />
      {regions?.length === 0 && <p>No agent has enlisted: start one with <code>gale agent --region NAME</code>.</p>}
      <fieldset class="picker list"><legend>Load</legend>
        {LOADS.map((l) => (
          <label key={l.load}><input type="radio" name="load" checked={load === l.load} onChange={() => onChange({ load: l.load })} /> {l.text}</label>))}
      </fieldset>
      <Table label="Regions" columns={columns} rows={regions ?? []} rowKey={(r) => r.name} />
      <p role="status" class={problem ? 'bad' : ''}>
        {problem ?? (chosen.length === 0 ? 'No region is chosen: as the script says, or spread over all.'
          : load === 'total' ? 'The shares add up to 100 %.' : 'Each region runs all of it.')}
      </p>
      <label><input type="checkbox" checked={draft.isAbortedByLoss} onChange={() => onChange({ isAbortedByLoss: !draft.isAbortedByLoss })} /> Abort
        when a region is lost</label>
    </section>
  );
}
