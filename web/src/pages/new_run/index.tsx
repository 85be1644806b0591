/* A new run: script, regions, settings; what it would use; start. */
import { useEffect, useState } from 'preact/hooks';
import { Problem } from '../../api/client';
import type { Found, List, Page, Plan, Region, ScriptError, Test } from '../../api/types';
import { Failure } from '../../components/failure';
import { useAsked } from '../../data/ask';
import { firstDraft, sharesOfScript, sharesProblem, type Draft } from './draft';
import { FoundPart } from './found';
import { PlanPart } from './plan';
import { RegionsPart } from './regions';
import { ScriptPart } from './script';
import { SettingsPart } from './settings';
import { inspect, preview, startRun } from './start';

const LOOK_EVERY_MS = 3000;
const TYPING_MS = 600;

const scriptErrorOf = (error: unknown): ScriptError | undefined =>
  (error instanceof Problem ? error.body.script : undefined);

interface Inspected { found?: Found; error?: unknown }

/* Looks into the script a moment after it was changed. */
function useInspected(draft: Draft): [Inspected, (error: unknown) => void] {
  const [inspected, setInspected] = useState<Inspected>({});
  useEffect(() => {
    const gone = new AbortController();
    setInspected((old) => ({ found: old.found }));
    const timer = setTimeout(() => inspect(draft, gone.signal).then((found) => setInspected({ found }),
      (error) => { if (!gone.signal.aborted) setInspected({ error }); }), TYPING_MS);
    return () => { gone.abort(); clearTimeout(timer); };
  }, [draft.script, draft.file, draft.filename]);
  return [inspected, (error) => setInspected({ error })];
}

export function NewRunPage() {
  const [draft, setDraft] = useState(firstDraft);
  const [{ found, error: scriptFailure }, setScriptFailure] = useInspected(draft);
  const [plan, setPlan] = useState<Plan>();
  const [error, setError] = useState<unknown>();
  const [isBusy, setBusy] = useState(false);
  const regions = useAsked<List<Region>>('/regions', { every: LOOK_EVERY_MS });
  const tests = useAsked<Page<Test>>('/tests?limit=500');
  const scriptError = scriptErrorOf(scriptFailure);
  const change = (next: Partial<Draft>) => {
    setDraft((old) => ({ ...old, ...next }));
    setError(undefined);
    setPlan(undefined);
  };
  useEffect(() => {
    if (found && Object.keys(draft.shares).length === 0) change({ shares: sharesOfScript(found) });
  }, [found]);
  const attempt = async (what: () => Promise<void>) => {
    setBusy(true);
    setError(undefined);
    try {
      await what();
    } catch (problem) {
      if (scriptErrorOf(problem)) setScriptFailure(problem);
      else setError(problem);
      setBusy(false);
    }
  };
  const check = () => attempt(async () => {
    setPlan(await preview(draft));
    setBusy(false);
  });
  const start = (e: SubmitEvent) => {
    e.preventDefault();
    void attempt(async () => { location.href = `/runs/${(await startRun(draft)).id}`; });
  };
  const isBlocked = isBusy || !!sharesProblem(draft);
  return (
    <form onSubmit={start}>
      <div class="row"><h1>New run</h1></div>
      <div class="parts top">
        <ScriptPart draft={draft} onChange={change} error={scriptError}>
          {!scriptError && <Failure error={scriptFailure} />}
          {found && <FoundPart found={found} />}
        </ScriptPart>
        <div class="stack">
          <RegionsPart regions={regions.value?.items} draft={draft} onChange={change} />
          <SettingsPart draft={draft} onChange={change} tests={tests.value?.items.map((t) => t.name) ?? []} names={found?.env_names ?? []} />
          {plan && <PlanPart plan={plan} />}
          <Failure error={error ?? regions.error} />
          <p class="row">
            <button class="primary" disabled={isBlocked}>Run</button>
            <button type="button" disabled={isBlocked} onClick={check}>What would it use?</button>
          </p>
        </div>
      </div>
    </form>
  );
}
