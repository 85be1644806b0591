/* What the lines of a chart are at under the cursor, which charts of a group share: a box beside it. */
import type uPlot from 'uplot';
import { nearestRow, type Rows } from '../data/thin';
import { clock, number } from './format';

const GAP = 12;

interface TipLine { label: string; color: string }

/* A line's row: returns where its value goes. */
function addRow(box: HTMLElement, { label, color }: TipLine): HTMLElement {
  const line = document.createElement('p');
  const key = document.createElement('i');
  const value = document.createElement('b');
  key.style.background = color;
  line.append(key, label, value);
  box.append(line);
  return value;
}

/* The chart under the pointer tells of all its lines, the others of their first. */
export function chartTip(unit: string, lines: TipLine[], rowsOf: () => Rows): uPlot.Plugin {
  const box = document.createElement('div');
  const time = document.createElement('time');
  box.className = 'tip brief';
  box.hidden = true;
  box.append(time);
  const values = lines.map((line) => addRow(box, line));
  const tell = (second: number) => {
    const [t, ...columns] = rowsOf();
    const at = nearestRow(t, second);
    time.textContent = clock(t[at] ?? 0);
    values.forEach((value, i) => {
      const v = columns[i]?.[at];
      value.textContent = v == null ? '–' : `${number(v)} ${unit}`;
    });
  };
  /* Nothing of the layout is read here: it would be made anew for each chart of the group. */
  const follow = (u: uPlot) => {
    const { idx, left = -1 } = u.cursor;
    box.hidden = idx == null || left < 0;
    if (box.hidden) return;
    tell(u.posToVal(left, 'x'));
    const isRight = left * devicePixelRatio > u.bbox.width / 2;
    box.style.transform = `translateX(${isRight ? left - GAP : left + GAP}px)${isRight ? ' translateX(-100%)' : ''}`;
  };
  const ready = (u: uPlot) => {
    u.over.append(box);
    u.over.addEventListener('mouseenter', () => box.classList.remove('brief'));
    u.over.addEventListener('mouseleave', () => box.classList.add('brief'));
  };
  return { hooks: { ready, setCursor: follow } };
}
