/* Something the API knows, for as long as a component shows it. */
import { useEffect, useState } from 'preact/hooks';
import { get } from '../api/client';

export interface Asked<T> { value?: T; error?: unknown }

interface Options {
  every?: number; /* milliseconds until it is asked for again; 0: never */
  wait?: number; /* milliseconds that the path must stay as it is, for what people type or drag */
}

/* `path` null: nothing to ask. The last value stays until there is a new one. */
export function useAsked<T>(path: string | null, { every = 0, wait = 0 }: Options = {}): Asked<T> {
  const [asked, setAsked] = useState<Asked<T>>({});
  useEffect(() => {
    if (path == null) {
      setAsked({});
      return undefined;
    }
    const gone = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const ask = async () => {
      try {
        setAsked({ value: await get<T>(path, gone.signal) });
      } catch (error) {
        if (gone.signal.aborted) return;
        setAsked((old) => ({ ...old, error }));
      }
      if (every > 0 && !gone.signal.aborted) timer = setTimeout(ask, every);
    };
    timer = setTimeout(ask, wait);
    return () => {
      gone.abort();
      clearTimeout(timer);
    };
  }, [path, every]);
  return asked;
}
