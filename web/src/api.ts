/* The controller's API (docs/api/openapi.yaml), as far as the dashboard uses it. */
export interface RunRegion { region: string; share: number; max_vus: number; agents: number; agents_lost: number; is_emulated: boolean }
export interface Run {
  id: string; name?: string | null; phase: string; result: string | null; exit_code: number | null;
  created_at: string | null; elapsed_seconds: number; duration_seconds: number; max_vus: number;
  regions: RunRegion[]; windows: Record<string, number>;
}
export interface Values {
  vus: number | null; rps: number | null; p50: number | null; p95: number | null; p99: number | null;
  failed: number | null;
}
export type Key = keyof Values;
export interface LiveWindow { t: number; overall: Values; regions: Record<string, Values> }
export type Columns = Partial<Record<Key, (number | null)[]>>;
export interface Series { t: number[]; overall: Columns; regions: Record<string, Columns> }
export interface Event { id: number; at: string; second: number | null; kind: string; severity: string; message: string }
export interface Log { id: number; at: string; level: string; region: string | null; agent: string | null; message: string }
export interface Threshold { metric: string; expression: string; ok: boolean; value: number }
export interface Agent {
  id: string; region: string; state: string; cpu_percent: number; loop_lag_ms: number;
  memory_bytes: number; memory_limit_bytes: number; is_saturated: boolean; emulate: string | null;
}
export interface Region {
  name: string; latitude: number | null; longitude: number | null; capacity_vus: number; free_vus: number;
  agents: { ready: number; busy: number; stale: number }; is_emulated: boolean;
}
export interface List<T> { items: T[] }
export interface Snapshot { run: Run; series?: Series; thresholds: List<Threshold>; agents: List<Agent>; events: Event[]; logs: Log[] }

const TOKEN = 'gale-token';
export const setToken = (token: string) => sessionStorage.setItem(TOKEN, token);

export class Problem extends Error {
  constructor(readonly status: number, message: string) { super(message); }
}

export async function call(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  const token = sessionStorage.getItem(TOKEN);
  if (token) headers.set('Authorization', `Bearer ${token}`);
  const answer = await fetch(`/api/v1${path}`, { ...init, headers });
  if (!answer.ok) {
    const problem = await answer.json().catch(() => null);
    throw new Problem(answer.status, problem?.detail ?? problem?.title ?? `HTTP ${answer.status}`);
  }
  return answer;
}

export const get = async <T,>(path: string): Promise<T> => (await call(path)).json();

/* Follows a run until it has ended. EventSource can't send a token, so the stream is read by hand. */
export function follow(id: string, on: (event: string, data: unknown) => void, failed: (e: unknown) => void): () => void {
  const stop = new AbortController();
  let ended = false;
  const read = async () => {
    const answer = await call(`/runs/${id}/live`, { signal: stop.signal });
    const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      text += value;
      let at: number;
      while ((at = text.indexOf('\n\n')) >= 0) {
        const block = text.slice(0, at);
        text = text.slice(at + 2);
        const event = /^event: (.*)$/m.exec(block)?.[1];
        const data = /^data: (.*)$/m.exec(block)?.[1];
        if (event && data) on(event, JSON.parse(data));
        if (event === 'end') ended = true;
      }
    }
  };
  (async () => {
    while (!ended && !stop.signal.aborted) {
      try { await read(); } catch (e) {
        if (stop.signal.aborted) return;
        failed(e);
        if (e instanceof Problem && e.status < 500) return;
      }
      if (!ended) await new Promise((resume) => setTimeout(resume, 1000));
    }
  })();
  return () => stop.abort();
}
