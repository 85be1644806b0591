/* Logs of a run: those that came while it is followed; from the store once it has ended. */
import { useEffect, useState } from 'preact/hooks';
import { get, query } from '../../api/client';
import type { LogLine, Page, Run } from '../../api/types';
import { Failure } from '../../components/failure';
import { Logs, NO_FILTER, passes, type LogFilter } from '../../components/logs';

const TYPING_MS = 250;
const PAGE = 200;

interface Stored { lines: LogLine[]; next: string | null }

const ask = (id: string, filter: LogFilter, cursor?: string | null) =>
  get<Page<LogLine>>(`/runs/${id}/logs${query({ order: 'desc', limit: PAGE, level: filter.level, region: filter.region, q: filter.text, cursor })}`);

/* Null while the run is live. */
function useStoredLogs(run: Run, isLive: boolean, filter: LogFilter): [Stored | null, () => void, unknown] {
  const [stored, setStored] = useState<Stored | null>(null);
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    setStored(null);
    if (isLive) return undefined;
    const timer = setTimeout(() =>
      ask(run.id, filter).then((page) => setStored({ lines: page.items, next: page.next }), setError), TYPING_MS);
    return () => clearTimeout(timer);
  }, [run.id, isLive, filter]);
  const older = () =>
    ask(run.id, filter, stored?.next)
      .then((page) => setStored({ lines: [...stored!.lines, ...page.items], next: page.next }), setError);
  return [stored, older, error];
}

export function LogsPart({ run, isLive, lines }: { run: Run; isLive: boolean; lines: LogLine[] }) {
  const [filter, setFilter] = useState(NO_FILTER);
  const [stored, older, error] = useStoredLogs(run, isLive, filter);
  const shown = stored?.lines ?? lines.filter((l) => passes(l, filter));
  return (
    <section class="card wide"><h2>Logs</h2>
      <Failure error={error} />
      <Logs lines={shown} filter={filter} onFilter={setFilter} regions={run.regions.map((r) => r.region)}
        isPending={!isLive && !stored && !error} onOlder={stored?.next ? older : undefined} />
    </section>
  );
}
