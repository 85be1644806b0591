/* A script to type into: numbered lines, and a mark on the one that has an error. */
import { useEffect, useRef } from 'preact/hooks';
import type { ScriptError } from '../api/types';

const LINE_PX = 20; /* as styles/parts.css has it */

interface EditorProps { label: string; value: string; onInput: (text: string) => void; error?: ScriptError }

/* The cursor goes to where the error is. */
function goTo(box: HTMLTextAreaElement, { line, column }: ScriptError) {
  const lines = box.value.split('\n');
  if (line < 1 || line > lines.length) return;
  const start = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
  const at = start + Math.min(Math.max(column - 1, 0), lines[line - 1].length);
  box.focus();
  box.setSelectionRange(at, at);
  box.scrollTop = Math.max(0, (line - 4) * LINE_PX);
}

export function Editor({ label, value, onInput, error }: EditorProps) {
  const box = useRef<HTMLTextAreaElement>(null);
  const gutter = useRef<HTMLPreElement>(null);
  const mark = useRef<HTMLDivElement>(null);
  const count = value.split('\n').length;
  const scroll = () => {
    const top = -box.current!.scrollTop;
    gutter.current!.style.transform = `translateY(${top}px)`;
    if (mark.current) mark.current.style.transform = `translateY(${top + ((error?.line ?? 1) - 1) * LINE_PX}px)`;
  };
  useEffect(() => {
    if (error && document.activeElement !== box.current) goTo(box.current!, error); /* not while somebody types */
    scroll();
  }, [error]);
  return (
    <div class="editor">
      <pre ref={gutter} class="gutter" aria-hidden="true">{Array.from({ length: count }, (_, i) => `${i + 1}\n`).join('')}</pre>
      {error && <div ref={mark} class="mark" />}
      <textarea ref={box} aria-label={label} aria-invalid={!!error} aria-describedby={error ? 'script-error' : undefined} spellcheck={false} wrap="off"
        value={value} onInput={(e) => onInput(e.currentTarget.value)} onScroll={scroll} />
    </div>
  );
}

export function ScriptErrorNote({ error }: { error: ScriptError }) {
  const place = error.line ? `, line ${error.line}${error.column ? `, column ${error.column}` : ''}` : '';
  return (
    <div class="problem" role="alert" id="script-error">
      <p><b>{error.file}{place}</b>: {error.message}</p>
      {error.excerpt && <pre>{error.excerpt}</pre>}
    </div>
  );
}
