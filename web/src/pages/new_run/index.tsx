/* A new run: script, regions, start. */
import { useState } from 'preact/hooks';
import { Problem } from '../../api/client';
import type { List, Region, ScriptError } from '../../api/types';
import { Failure } from '../../components/failure';
import { useAsked } from '../../data/ask';
import { firstDraft, sharesProblem, type Draft } from './draft';
import { RegionsPart } from './regions';
import { ScriptPart } from './script';
import { startRun } from './start';

const LOOK_EVERY_MS = 3000;

/* An error at a line of the script, if that is what it is. */
function scriptErrorOf(error: unknown, draft: Draft): ScriptError | undefined {
  if (!(error instanceof Problem) || error.status !== 422) return undefined;
  const found = /^(.*?):(\d+)(?::(\d+))?:? (.*)$/s.exec(error.message);
  return error.body.script ?? (found ? { file: draft.filename, line: Number(found[2]), column: Number(found[3] ?? 0), message: found[4] } : undefined);
}

export function NewRunPage() {
  const [draft, setDraft] = useState(firstDraft);
  const [error, setError] = useState<unknown>();
  const [isBusy, setBusy] = useState(false);
  const regions = useAsked<List<Region>>('/regions', { every: LOOK_EVERY_MS });
  const scriptError = scriptErrorOf(error, draft);
  const change = (next: Partial<Draft>) => {
    setDraft((old) => ({ ...old, ...next }));
    setError(undefined);
  };
  const start = async (e: SubmitEvent) => {
    e.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      location.href = `/runs/${(await startRun(draft)).id}`;
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  };
  return (
    <form onSubmit={start}>
      <div class="row"><h1>New run</h1></div>
      <div class="parts">
        <ScriptPart draft={draft} onChange={change} error={scriptError} />
        <RegionsPart regions={regions.value?.items} draft={draft} onChange={change} />
      </div>
      {!scriptError && <Failure error={error ?? regions.error} />}
      <button class="primary" disabled={isBusy || !!sharesProblem(draft)}>Run</button>
    </form>
  );
}
