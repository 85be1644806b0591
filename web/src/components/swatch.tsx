/* The look of a line in the charts, beside its name. */
import { colorOf, dashOf, useTheme } from './theme';

export function Swatch({ line }: { line: number }) {
  const theme = useTheme();
  return (
    <svg class="swatch" viewBox="0 0 24 6" aria-hidden="true">
      <line x1="0" y1="3" x2="24" y2="3" stroke={colorOf(theme, line)} stroke-width="3" stroke-dasharray={dashOf(line).join(' ')} />
    </svg>
  );
}
