/* A run's event stream. EventSource neither sends a token nor tells a status, so the stream is read by hand. */
import { call, Problem } from './client';

export type OnEvent = (event: string, data: unknown) => void;

const RETRY_MS = 1000;

interface Stream { last: string; isOver: boolean }

function readBlock(block: string, stream: Stream, on: OnEvent) {
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1];
  const event = field('event');
  const data = field('data');
  stream.last = field('id') ?? stream.last;
  if (event && data) on(event, JSON.parse(data));
  if (event === 'end') stream.isOver = true;
}

async function readOnce(path: string, stream: Stream, on: OnEvent, signal: AbortSignal) {
  const headers = stream.last ? { 'Last-Event-ID': stream.last } : undefined;
  const answer = await call(path, { signal, headers });
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    for (let end; (end = text.indexOf('\n\n')) >= 0; text = text.slice(end + 2)) readBlock(text.slice(0, end), stream, on);
  }
}

/* Follows until the run has ended, over lost connections; returns what ends it earlier. */
export function follow(run: string, on: OnEvent, onFailure: (error: unknown) => void): () => void {
  const stop = new AbortController();
  const stream: Stream = { last: '', isOver: false };
  const path = `/runs/${run}/live?points=3600`;
  void (async () => {
    while (!stream.isOver && !stop.signal.aborted) {
      try {
        await readOnce(path, stream, on, stop.signal);
      } catch (error) {
        if (stop.signal.aborted) return;
        onFailure(error);
        if (error instanceof Problem && error.status < 500 && error.status !== 429) return;
      }
      if (!stream.isOver) await new Promise((resume) => setTimeout(resume, RETRY_MS));
    }
  })();
  return () => stop.abort();
}
