/* The script: typed here, chosen, or dropped anywhere on the page. */
import { useEffect, useState } from 'preact/hooks';
import { uploadLimit } from '../../api/caller';
import type { ScriptError } from '../../api/types';
import { Editor, ScriptErrorNote } from '../../components/editor';
import { bytes } from '../../components/format';
import { isArchive, type Draft } from './draft';

/* A text area of more is no pleasure: such a script is sent as it is. */
const MOST_TO_EDIT = 1024 * 1024;

type Taken = Pick<Draft, 'filename' | 'file'> & { script?: string };

/* What becomes of files; a text: why nothing does. */
async function take(files: FileList): Promise<Taken | string> {
  const [file] = files;
  if (files.length !== 1) return 'One file, please: a script that imports others goes with them into an archive (gale archive).';
  const { name: filename, size } = file;
  if (size > uploadLimit())
    return `${filename} has ${bytes(size)}, and ${bytes(uploadLimit())} is the most. Leave large data out of it, or fetch that in setup().`;
  if (isArchive(filename)) return { filename, file };
  try {
    const script = await file.text();
    if (script.includes('\0')) return `${filename} is neither a script nor a .tar archive.`;
    return size > MOST_TO_EDIT ? { filename, file } : { filename, file: undefined, script };
  } catch {
    return `${filename} can’t be read: a folder goes into an archive (gale archive).`;
  }
}

/* Whether something hangs over the page. What misses the script's place is taken as well: the browser would open it and
 * forget the draft. */
function useDropped(onFiles: (files: FileList) => void): boolean {
  const [isOver, setOver] = useState(false);
  useEffect(() => {
    const over = (e: DragEvent) => {
      if (!e.dataTransfer?.types.includes('Files')) return; /* text that is moved in the editor */
      e.preventDefault();
      setOver(true);
    };
    const leave = (e: DragEvent) => { if (!e.relatedTarget) setOver(false); };
    const drop = (e: DragEvent) => {
      setOver(false);
      if (!e.dataTransfer?.files.length) return;
      e.preventDefault();
      onFiles(e.dataTransfer.files);
    };
    addEventListener('dragover', over);
    addEventListener('dragleave', leave);
    addEventListener('drop', drop);
    return () => {
      removeEventListener('dragover', over);
      removeEventListener('dragleave', leave);
      removeEventListener('drop', drop);
    };
  }, []);
  return isOver;
}

interface ScriptPartProps { draft: Draft; onChange: (change: Partial<Draft>) => void; error?: ScriptError; children?: preact.ComponentChildren }

export function ScriptPart({ draft, onChange, error, children }: ScriptPartProps) {
  const [refused, setRefused] = useState('');
  const onFiles = async (files: FileList) => {
    const taken = await take(files);
    setRefused(typeof taken === 'string' ? taken : '');
    if (typeof taken !== 'string') onChange(taken);
  };
  const isOver = useDropped(onFiles);
  const write = () => onChange({ file: undefined, filename: 'script.js' });
  return (
    <section class={`card ${isOver ? 'over' : ''}`} aria-label="Script">
      <div class="row"><h2>Script</h2><code class="name">{draft.filename}</code></div>
      <div class="row upload">
        <label class="button">Choose a file<input type="file" class="unseen" accept=".js,.ts,.mjs,.cjs,.tar"
          onChange={(e) => { const box = e.currentTarget; if (box.files?.length) void onFiles(box.files).then(() => { box.value = ''; }); }} /></label>
        <span class="hint">or drop it here: a script, or an archive (.tar) of up to {bytes(uploadLimit())}.</span>
      </div>
      {draft.file
        ? <div class="editor sealed">
          <p>{isArchive(draft.filename) ? 'An archive' : 'A script too long to edit here'}, {bytes(draft.file.size)}.</p>
          <button type="button" onClick={write}>Write a script instead</button></div>
        : <Editor label={draft.filename} value={draft.script} onInput={(script) => onChange({ script })} error={error} />}
      {refused && <p class="problem" role="alert">{refused}</p>}
      {error && <ScriptErrorNote error={error} />}
      {children}
    </section>
  );
}
