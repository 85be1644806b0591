/* Which regions a page shows, with the colours they have in its charts. */
import { dashOf, colorOf, useTheme } from './theme';

interface RegionPickerProps {
  all: string[];
  chosen: string[];
  onChoose: (chosen: string[]) => void;
  label: (region: string) => string;
}

export function RegionPicker({ all, chosen, onChoose, label }: RegionPickerProps) {
  const theme = useTheme();
  const toggle = (r: string) => {
    const next = all.filter((o) => (o === r ? !chosen.includes(r) : chosen.includes(o)));
    if (next.length) onChoose(next);
  };
  const swatch = (i: number) => (
    <svg class="swatch" viewBox="0 0 24 6" aria-hidden="true">
      <line x1="0" y1="3" x2="24" y2="3" stroke={colorOf(theme, i)} stroke-width="3" stroke-dasharray={dashOf(i).join(' ')} />
    </svg>
  );
  return (
    <fieldset class="picker">
      <legend>Regions</legend>
      {all.map((r) => (
        <label key={r}>
          <input type="checkbox" checked={chosen.includes(r)} onChange={() => toggle(r)} />
          {chosen.includes(r) && swatch(1 + chosen.indexOf(r))} {label(r)}
        </label>))}
    </fieldset>
  );
}
