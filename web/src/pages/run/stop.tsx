/* Stops a run, after asking. */
import { useState } from 'preact/hooks';
import { post } from '../../api/client';
import type { Run } from '../../api/types';
import { Dialog } from '../../components/dialog';
import { Failure } from '../../components/failure';

export function StopButton({ run }: { run: Run }) {
  const [isAsking, setAsking] = useState(false);
  const [error, setError] = useState<unknown>();
  const stop = async (e: SubmitEvent) => {
    e.preventDefault();
    const reason = String(new FormData(e.currentTarget as HTMLFormElement).get('reason')).trim();
    try {
      await post(`/runs/${run.id}/stop`, { reason: reason || 'stopped from the dashboard' });
      setAsking(false);
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <>
      <button type="button" class="danger" onClick={() => setAsking(true)}>Stop</button>
      <Dialog title="Stop this run everywhere?" isOpen={isAsking} onClose={() => setAsking(false)}>
        <form onSubmit={stop}>
          <p>All regions end within two seconds; teardown() still runs. What was measured is kept.</p>
          <label class="block">Reason <input name="reason" maxLength={1000} /></label>
          <Failure error={error} />
          <p class="row">
            <button type="button" onClick={() => setAsking(false)}>Go on</button>
            <button class="danger">Stop the run</button>
          </p>
        </form>
      </Dialog>
    </>
  );
}
