/* Hands a draft to the controller: its script becomes a version of a test, from which a run is planned and started. */
import { call, create, get, post, query } from '../../api/client';
import type { Found, Page, Plan, Run, RunCreate, Test, Version } from '../../api/types';
import { isArchive, regionShares, type Draft } from './draft';

const typeOf = ({ filename }: Draft) =>
  (isArchive(filename) ? 'application/x-tar' : filename.endsWith('.ts') ? 'text/typescript' : 'text/javascript');

async function upload<T>(path: string, draft: Draft, signal?: AbortSignal): Promise<T> {
  const answer = await call(`${path}${query({ filename: draft.filename })}`,
    { method: 'POST', body: draft.file ?? draft.script, headers: { 'Content-Type': typeOf(draft) }, signal });
  return answer.json();
}

/* What is in the script; nothing is stored. */
export const inspect = (draft: Draft, signal: AbortSignal) => upload<Found>('/inspect', draft, signal);

/* The test of that name, made when there is none, with the script as its latest version. The same script again
 * changes nothing. */
async function store(draft: Draft): Promise<{ test: string; version: number }> {
  const name = draft.test.trim() || draft.filename;
  const known = (await get<Page<Test>>(`/tests${query({ q: name, limit: 500 })}`)).items.find((t) => t.name === name);
  const test = known ?? await create<Test>('/tests', { name });
  return { test: test.id, version: (await upload<Version>(`/tests/${test.id}/versions`, draft)).version };
}

async function request(draft: Draft): Promise<RunCreate> {
  const shares = regionShares(draft);
  return {
    ...(await store(draft)),
    name: draft.name.trim() || undefined,
    load: draft.load,
    regions: shares.length ? shares : undefined,
    env: Object.fromEntries(draft.env.filter(([name]) => name.trim()).map(([name, value]) => [name.trim(), value])),
    on_region_lost: draft.isAbortedByLoss ? 'abort' : 'continue',
  };
}

/* Which agents it would use. */
export const preview = async (draft: Draft) => post<Plan>('/plans', await request(draft));

export const startRun = async (draft: Draft) => create<Run>('/runs', await request(draft));
