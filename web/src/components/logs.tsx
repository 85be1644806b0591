/* Log lines, newest first, and what shall be seen of them. */
import type { Level, LogLine } from '../api/types';
import { timeOfDay } from './format';

export interface LogFilter { text: string; level: Level | ''; region: string }

export const NO_FILTER: LogFilter = { text: '', level: '', region: '' };

const LEVELS: Level[] = ['error', 'warn', 'info', 'debug'];

/* The chosen level and worse. */
export function passes(line: LogLine, { text, level, region }: LogFilter): boolean {
  return (!level || LEVELS.indexOf(line.level) <= LEVELS.indexOf(level)) && (!region || line.region === region)
    && (!text || line.message.toLowerCase().includes(text.toLowerCase()));
}

/* A console's lines end in what the level and the source already say. */
const messageOf = ({ source, message }: LogLine) => (source === 'console' ? message.replace(/ source=console$/, '') : message);

interface LogsProps {
  lines: LogLine[];
  filter: LogFilter;
  onFilter: (filter: LogFilter) => void;
  regions: string[];
  isPending: boolean; /* what there is of them is not known yet */
  onOlder?: () => void; /* there are more */
}

export function Logs({ lines, filter, onFilter, regions, isPending, onOlder }: LogsProps) {
  const set = (change: Partial<LogFilter>) => onFilter({ ...filter, ...change });
  return (
    <>
      <p class="filters">
        <label>Contains <input value={filter.text} maxLength={200} onInput={(e) => set({ text: e.currentTarget.value })} /></label>
        <label>Level <select value={filter.level} onChange={(e) => set({ level: e.currentTarget.value as Level | '' })}>
          <option value="">all</option>
          {LEVELS.map((l) => <option key={l} value={l}>{l === 'error' ? l : `${l} and worse`}</option>)}
        </select></label>
        {regions.length > 0 && (
          <label>Region <select value={filter.region} onChange={(e) => set({ region: e.currentTarget.value })}>
            <option value="">all</option>
            {regions.map((r) => <option key={r}>{r}</option>)}
          </select></label>)}
        <span class="hint" role="status">{lines.length} {lines.length === 1 ? 'line' : 'lines'}</span>
      </p>
      {!isPending && lines.length === 0 && <p class="hint">Nothing was logged{filter === NO_FILTER ? '' : ' that is like this'}.</p>}
      <ol class="lines" tabIndex={0} aria-label="Log lines">
        {lines.map((l) => (
          <li key={l.id} class={l.level}>
            <span class="at">{timeOfDay(l.at)}</span> <b>{l.level}</b> {l.region} {messageOf(l)}
            {l.left_out > 0 && <i> ({l.left_out} lines before this one were left out)</i>}
          </li>))}
      </ol>
      {onOlder && <button type="button" onClick={onOlder}>Older lines</button>}
    </>
  );
}
