import { useEffect, useRef, useState } from 'preact/hooks';
import { call, get, type List, type Region, type Run } from './api';
import { Failure } from './main';
import { WorldMap } from './map';

const FIRST = `import http from 'k6/http';
import { sleep } from 'k6';

export const options = { vus: 10, duration: '30s' };

export default function () {
  http.get('http://127.0.0.1:8080/products');
  sleep(1);
}
`;

/* Whole percents that add up to 100. */
function even(names: string[]): Record<string, number> {
  const base = Math.floor(100 / Math.max(1, names.length));
  return Object.fromEntries(names.map((n, i) => [n, base + (i < 100 - base * names.length ? 1 : 0)]));
}

export function NewRun() {
  const [regions, setRegions] = useState<Region[]>();
  const [shares, setShares] = useState<Record<string, number>>({});
  const [script, setScript] = useState<string>(FIRST);
  const [archive, setArchive] = useState<File>();
  const [name, setName] = useState('script.js');
  const [abort, setAbort] = useState(false);
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const editor = useRef<HTMLTextAreaElement>(null);

  useEffect(() => {
    const load = () => get<List<Region>>('/regions').then((l) => setRegions(l.items), setError);
    load();
    const timer = setInterval(load, 3000);
    return () => clearInterval(timer);
  }, []);

  const chosen = Object.keys(shares);
  const sum = chosen.reduce((s, n) => s + shares[n], 0);
  const toggle = (n: string) => setShares(even(chosen.includes(n) ? chosen.filter((o) => o !== n) : [...chosen, n]));
  const upload = async (file?: File) => {
    if (!file) return;
    setName(file.name);
    setArchive(file.name.endsWith('.tar') ? file : undefined);
    if (!file.name.endsWith('.tar')) setScript(await file.text());
  };
  const start = async (e: SubmitEvent) => {
    e.preventDefault();
    setBusy(true);
    setError(undefined);
    const query = new URLSearchParams({ filename: name, on_region_lost: abort ? 'abort' : 'continue' });
    if (chosen.length) query.set('regions', chosen.map((n) => `${n}=${shares[n]}%`).join(','));
    try {
      const answer = await call(`/runs?${query}`, { method: 'POST', body: archive ?? script, headers: { 'Content-Type': 'application/octet-stream' } });
      location.href = `/runs/${((await answer.json()) as Run).id}`;
    } catch (problem) {
      setError(problem);
      setBusy(false);
      showLine(problem);
    }
  };
  /* Where the message names a line of the script, the editor goes there. */
  const showLine = (problem: unknown) => {
    const line = Number(/:(\d+)(:\d+)?/.exec(String(problem))?.[1] ?? 0);
    const lines = script.split('\n');
    if (!line || line > lines.length || !editor.current) return;
    const from = lines.slice(0, line - 1).join('\n').length + (line > 1 ? 1 : 0);
    editor.current.focus();
    editor.current.setSelectionRange(from, from + lines[line - 1].length);
  };

  return (
    <form onSubmit={start}>
      <div class="row"><h1>New run</h1></div>
      <div class="two">
        <section class="card"><h2>Script</h2>
          <label class="block">Upload a script or an archive (.tar) <input type="file" accept=".js,.ts,.mjs,.tar" onChange={(e) => upload(e.currentTarget.files?.[0])} /></label>
          {archive ? <p>{archive.name}, {archive.size} bytes</p> : (
            <label class="block">{name}<textarea ref={editor} spellcheck={false} rows={18} value={script} onInput={(e) => setScript(e.currentTarget.value)} /></label>)}
        </section>
        <section class="card"><h2>Regions</h2>
          <WorldMap dots={(regions ?? []).map((r) => ({ ...r, chosen: chosen.includes(r.name), note: r.is_emulated ? 'emulated' : '' }))} />
          {regions?.length === 0 && <p>No agent has enlisted: start one with <code>gale agent --region NAME</code>.</p>}
          <div class="scroll" tabIndex={0} role="region" aria-label="Regions"><table><thead><tr><th>Use</th><th>Region</th><th class="n">Agents ready</th><th class="n">VUs free</th><th class="n">Share %</th></tr></thead>
            <tbody>{regions?.map((r) => (
              <tr key={r.name}>
                <td><input type="checkbox" aria-label={`Use ${r.name}`} checked={chosen.includes(r.name)} onChange={() => toggle(r.name)} /></td>
                <td>{r.name}{r.is_emulated ? ' (emulated)' : ''}</td><td class="n">{r.agents.ready}</td><td class="n">{r.free_vus}</td>
                <td class="n"><input type="number" min="1" max="100" aria-label={`Share of ${r.name}`} disabled={!chosen.includes(r.name)} value={shares[r.name] ?? ''}
                  onInput={(e) => setShares({ ...shares, [r.name]: Number(e.currentTarget.value) })} /></td>
              </tr>))}</tbody></table></div>
          <p role="status">{!chosen.length ? 'No region chosen: the controller spreads the load over all.' : sum === 100 ? 'Shares add up to 100 %.' : `Shares add up to ${sum} %: they must be 100 %.`}</p>
          <label><input type="checkbox" checked={abort} onChange={() => setAbort(!abort)} /> Abort when a region is lost</label>
        </section>
      </div>
      <Failure error={error} />
      <button class="primary" disabled={busy || (chosen.length > 0 && sum !== 100)}>Run</button>
    </form>
  );
}
