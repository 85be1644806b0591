/* Which regions a page shows, with the looks they have in its charts: the charts' legend. */
import { Swatch } from './swatch';

/* More are easier to find in columns. */
const FEW = 8;

interface RegionPickerProps {
  all: string[];
  chosen: string[];
  onChoose: (chosen: string[]) => void;
  label: (region: string) => string;
}

export function RegionPicker({ all, chosen, onChoose, label }: RegionPickerProps) {
  const toggle = (r: string) => {
    const next = all.filter((o) => (o === r ? !chosen.includes(r) : chosen.includes(o)));
    if (next.length) onChoose(next);
  };
  return (
    <fieldset class={`picker ${all.length > FEW ? 'many' : ''}`}>
      <legend>Regions</legend>
      <span class="key"><Swatch line={0} /> overall</span>
      {all.map((r) => (
        <label key={r}>
          <input type="checkbox" checked={chosen.includes(r)} onChange={() => toggle(r)} />
          {chosen.includes(r) && <Swatch line={1 + chosen.indexOf(r)} />} {label(r)}
        </label>))}
    </fieldset>
  );
}
