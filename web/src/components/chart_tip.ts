/* What the lines of a chart are at under the cursor, which charts of a group share: a box beside it. */
import type uPlot from 'uplot';
import { clock, number } from './format';

const GAP = 12;

function row(color: string, label: string, value: string): HTMLElement {
  const line = document.createElement('p');
  const key = document.createElement('i');
  key.style.background = color;
  const text = document.createElement('b');
  text.textContent = value;
  line.append(key, label, text);
  return line;
}

function fill(box: HTMLElement, u: uPlot, at: number, unit: string, colors: string[]) {
  const time = document.createElement('time');
  time.textContent = clock(u.data[0][at]);
  const rows = colors.map((color, i) => {
    const value = u.data[i + 1][at];
    return row(color, String(u.series[i + 1].label), value == null ? '–' : `${number(value)} ${unit}`);
  });
  box.replaceChildren(time, ...rows);
}

/* The chart under the pointer tells of all its lines, the others of their first. */
export function chartTip(unit: string, colors: string[]): uPlot.Plugin {
  const box = document.createElement('div');
  let shown: number | null | undefined;
  let isHere = false;
  box.className = 'tip';
  box.hidden = true;
  const follow = (u: uPlot) => {
    const { idx, left = -1 } = u.cursor;
    box.hidden = idx == null || left < 0;
    if (box.hidden) return;
    if (idx !== shown) fill(box, u, (shown = idx)!, unit, isHere ? colors : colors.slice(0, 1));
    const isRight = left > u.over.clientWidth / 2;
    box.style.transform = `translateX(${isRight ? left - GAP : left + GAP}px)${isRight ? ' translateX(-100%)' : ''}`;
  };
  const enter = (is: boolean) => () => {
    isHere = is;
    shown = undefined;
  };
  const ready = (u: uPlot) => {
    u.over.append(box);
    u.over.addEventListener('mouseenter', enter(true));
    u.over.addEventListener('mouseleave', enter(false));
  };
  return { hooks: { ready, setCursor: follow, setData: () => { shown = undefined; } } };
}
