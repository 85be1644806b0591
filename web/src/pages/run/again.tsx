/* What to do with a run that has ended. */
import { useState } from 'preact/hooks';
import { call, post } from '../../api/client';
import type { Run } from '../../api/types';
import { Failure } from '../../components/failure';

export function AgainButtons({ run }: { run: Run }) {
  const [isBaseline, setBaseline] = useState(run.is_baseline);
  const [error, setError] = useState<unknown>();
  const again = () =>
    post<Run>(`/runs/${run.id}/rerun`, {}, crypto.randomUUID()).then((next) => { location.href = `/runs/${next.id}`; }, setError);
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
