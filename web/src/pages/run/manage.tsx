/* What may be done with a run: stop it, change what is said of it, run it again, make it the baseline, delete it. */
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { call, create, patch, post } from '../../api/client';
import type { Run } from '../../api/types';
import { Dialog } from '../../components/dialog';
import { Failure } from '../../components/failure';

interface AskProps {
  button: string;
  title: string;
  yes: string;
  no: string;
  isDangerous?: boolean;
  act: (fields: FormData) => Promise<unknown>;
  children: ComponentChildren;
}

/* A button that asks before it acts. The dialog stays while the controller refuses. */
function Ask({ button, title, yes, no, isDangerous, act, children }: AskProps) {
  const [isOpen, setOpen] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const look = isDangerous ? 'danger' : '';
  const show = (open: boolean) => {
    setOpen(open);
    setError(undefined);
  };
  const submit = async (e: SubmitEvent) => {
    e.preventDefault();
    setBusy(true);
    try {
      await act(new FormData(e.currentTarget as HTMLFormElement));
      show(false);
    } catch (problem) {
      setError(problem);
    }
    setBusy(false);
  };
  return (
    <>
      <button type="button" class={look} onClick={() => show(true)}>{button}</button>
      <Dialog title={title} isOpen={isOpen} onClose={() => show(false)}>
        <form onSubmit={submit}>
          {children}
          <Failure error={error} />
          <p class="row end">
            <button type="button" onClick={() => show(false)}>{no}</button>
            <button class={isDangerous ? 'danger' : 'primary'} disabled={isBusy}>{yes}</button>
          </p>
        </form>
      </Dialog>
    </>
  );
}

const text = (fields: FormData, name: string) => String(fields.get(name) ?? '').trim();

export function StopButton({ run }: { run: Run }) {
  const stop = (fields: FormData) =>
    post(`/runs/${run.id}/stop`, { reason: text(fields, 'reason') || 'stopped from the dashboard' });
  const isSpread = run.regions.length > 0;
  return (
    <Ask button="Stop" title={isSpread ? 'Stop this run everywhere?' : 'Stop this run?'} yes="Stop the run" no="Go on" isDangerous act={stop}>
      <p>{isSpread ? 'All regions end' : 'It ends'} within two seconds; teardown() still runs. What was measured is kept.</p>
      <label class="block">Reason <input class="wide" name="reason" maxLength={1000} /></label>
    </Ask>
  );
}

export function EditButton({ run, onEdited }: { run: Run; onEdited: (run: Run) => void }) {
  const edit = async (fields: FormData) => 
    onEdited(await patch<Run>(`/runs/${run.id}`, { name: text(fields, 'name') || undefined, notes: text(fields, 'notes') }));
  return (
    <Ask button="Edit" title="What this run is called" yes="Save" no="Leave it" act={edit}>
      <label class="block">Name <input class="wide" name="name" maxLength={200} defaultValue={run.name} /></label>
      <label class="block">Notes <textarea class="wide" name="notes" rows={5} maxLength={10000} defaultValue={run.notes} /></label>
    </Ask>
  );
}

export function DeleteButton({ run }: { run: Run }) {
  const remove = async () => {
    await call(`/runs/${run.id}`, { method: 'DELETE' });
    location.href = '/';
  };
  return (
    <Ask button="Delete" title="Delete this run?" yes="Delete the run" no="Keep it" isDangerous act={remove}>
      <p><b class="name">{run.name || run.id}</b> and all that it measured will be gone, and links to it will lead nowhere.</p>
    </Ask>
  );
}

export function AgainButtons({ run }: { run: Run }) {
  const [isBaseline, setBaseline] = useState(run.is_baseline);
  const [error, setError] = useState<unknown>();
  const again = () =>
    create<Run>(`/runs/${run.id}/rerun`, {}).then((next) => { location.href = `/runs/${next.id}`; }, setError);
  const mark = () =>
    call(`/runs/${run.id}/baseline`, { method: isBaseline ? 'DELETE' : 'PUT' }).then(() => setBaseline(!isBaseline), setError);
  return (
    <>
      <button type="button" onClick={again}>Run again</button>
      <button type="button" aria-pressed={isBaseline} onClick={mark}>Baseline</button>
      <Failure error={error} />
    </>
  );
}
