/* Hands a draft to the controller. */
import { call, query } from '../../api/client';
import type { Run } from '../../api/types';
import type { Draft } from './draft';

export async function startRun(draft: Draft): Promise<Run> {
  const { filename, archive, script, shares, load, isAbortedByLoss } = draft;
  const regions = Object.entries(shares).map(([region, share]) => (load === 'total' ? `${region}=${share}%` : region)).join(',');
  const answer = await call(`/runs${query({ filename, regions, load, on_region_lost: isAbortedByLoss ? 'abort' : 'continue' })}`,
    { method: 'POST', body: archive ?? script, headers: { 'Content-Type': 'application/octet-stream' } });
  return answer.json();
}
