/* What the lines of a chart are at under the cursor, which charts of a group share: a box beside it. */
import type uPlot from 'uplot';
import { nearestRow, type Rows } from '../data/thin';
import { clock, number } from './format';

const GAP = 12;
const BRIEF = 144; /* pixels, as styles/charts.css has it */

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
  let width = 0; /* of the box, where that is not brief; 0: unknown */
  /* Of the layout nothing is read but the width, once: it would be made anew for each chart of the group. */
  const follow = (u: uPlot) => {
    const { idx, left = -1 } = u.cursor;
    box.hidden = idx == null || left < 0;
    if (box.hidden) return;
    tell(u.posToVal(left, 'x'));
    const room = u.bbox.width / devicePixelRatio;
    const isBrief = box.classList.contains('brief');
    if (!isBrief) width ||= box.offsetWidth;
    const x = left > room / 2 ? left - GAP - (isBrief ? BRIEF : width) : left + GAP;
    box.style.transform = `translateX(${Math.max(0, Math.min(x, room - (isBrief ? BRIEF : width)))}px)`;
  };
  const enter = (isHere: boolean) => () => {
    box.classList.toggle('brief', !isHere);
    width = 0;
  };
  const ready = (u: uPlot) => {
    u.over.append(box);
    u.over.addEventListener('mouseenter', enter(true));
    u.over.addEventListener('mouseleave', enter(false));
  };
  return { hooks: { ready, setCursor: follow } };
}
