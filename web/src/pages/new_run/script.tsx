/* The script: typed, chosen or dropped here. */
import { useState } from 'preact/hooks';
import type { ScriptError } from '../../api/types';
import { Editor, ScriptErrorNote } from '../../components/editor';
import { number } from '../../components/format';
import type { Draft } from './draft';

const MOST_BYTES = 64 * 1024 * 1024;

interface ScriptPartProps { draft: Draft; onChange: (change: Partial<Draft>) => void; error?: ScriptError; children?: preact.ComponentChildren }

export function ScriptPart({ draft, onChange, error, children }: ScriptPartProps) {
  const [isOver, setOver] = useState(false);
  const [refused, setRefused] = useState('');
  const take = async (file?: File | null) => {
    setOver(false);
    if (!file) return;
    if (file.size > MOST_BYTES) {
      setRefused(`${file.name} has ${number(file.size / 1e6)} MB, and 64 MB is the most: leave data files out, or fetch them in setup().`);
      return;
    }
    setRefused('');
    const isArchive = file.name.endsWith('.tar');
    onChange({ filename: file.name, archive: isArchive ? file : undefined, ...(isArchive ? {} : { script: await file.text() }) });
  };
  return (
    <section class={`card ${isOver ? 'over' : ''}`} aria-label="Script"
      onDragOver={(e) => { e.preventDefault(); setOver(true); }} onDragLeave={() => setOver(false)}
      onDrop={(e) => { e.preventDefault(); void take(e.dataTransfer?.files[0]); }}>
      <h2>Script</h2>
      <label class="block">Upload a script or an archive (.tar), or drop it here{' '}
        <input type="file" accept=".js,.ts,.mjs,.tar" onChange={(e) => { void take(e.currentTarget.files?.[0]); e.currentTarget.value = ''; }} /></label>
      {refused && <p class="problem" role="alert">{refused}</p>}
      {draft.archive
        ? <p>{draft.archive.name}, {number(draft.archive.size)} bytes <button type="button" onClick={() => onChange({ archive: undefined, filename: 'script.js' })}>Write a script instead</button></p>
        : <Editor label={draft.filename} value={draft.script} onInput={(script) => onChange({ script })} error={error} />}
      {error && <ScriptErrorNote error={error} />}
      {children}
    </section>
  );
}
