/* One way to ask the controller. */
import type { Refusal, ScriptError } from './types';

interface ProblemBody {
  title?: string;
  detail?: string;
  errors?: { at: string; message: string }[];
  script?: ScriptError;
  refusal?: Refusal[];
}

/* An answer that is none of 2xx (RFC 9457). */
export class Problem extends Error {
  constructor(readonly status: number, readonly body: ProblemBody) {
    super(body.detail ?? body.title ?? `HTTP ${status}`);
  }
}

/* What browsers say of a server that is not there differs, and helps nobody. */
const noAnswer = (error: unknown) => {
  throw error instanceof TypeError ? new Error('gale does not answer: has it ended, or is the network gone?') : error;
};

export async function call(path: string, init: RequestInit = {}): Promise<Response> {
  const answer = await fetch(`/api/v1${path}`, init).catch(noAnswer);
  if (!answer.ok) throw new Problem(answer.status, await answer.json().catch(() => ({})));
  return answer;
}

export const get = async <T>(path: string, signal?: AbortSignal): Promise<T> => (await call(path, { signal })).json();

async function send<T>(method: string, path: string, body: unknown, headers: Record<string, string> = {}): Promise<T> {
  const answer = await call(path, { method, body: JSON.stringify(body), headers: { 'Content-Type': 'application/json', ...headers } });
  return answer.json();
}

export const post = <T>(path: string, body: unknown): Promise<T> => send('POST', path, body);
export const patch = <T>(path: string, body: unknown): Promise<T> => send('PATCH', path, body);

/* crypto.randomUUID is only there over TLS and on loopback. */
const freshKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('');

/* A POST that makes one thing, also when it is sent twice. */
export const create = <T>(path: string, body: unknown): Promise<T> => send('POST', path, body, { 'Idempotency-Key': freshKey() });

/* A token for a cookie, which no script can read. */
export const signIn = (token: string) => post('/session', { token });

/* Who comes by a share link signs in with what is behind its #; that does not stay in the address. */
export async function openShare() {
  const token = /^#share=(.+)$/.exec(location.hash)?.[1];
  if (!token) return;
  history.replaceState(null, '', location.pathname + location.search);
  await signIn(token).catch(() => undefined); // the page then says what it may not see
}

/* Leaves out what is undefined, null or empty; a list becomes a repeated parameter. */
export function query(params: Record<string, string | number | null | undefined | string[]>): string {
  const out = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (Array.isArray(value)) value.forEach((one) => out.append(name, one));
    else if (value != null && value !== '') out.set(name, String(value));
  }
  const text = out.toString();
  return text ? `?${text}` : '';
}
