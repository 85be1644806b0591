/* Names, and what the script finds in __ENV. */
import type { Draft } from './draft';

interface SettingsPartProps { draft: Draft; onChange: (change: Partial<Draft>) => void; tests: string[]; names: string[] }

/* `names`: those that the script reads in its init context. */
export function SettingsPart({ draft, onChange, tests, names }: SettingsPartProps) {
  const { env } = draft;
  const set = (at: number, pair: [string, string]) => onChange({ env: env.map((old, i) => (i === at ? pair : old)) });
  const missing = names.filter((name) => !env.some(([known]) => known === name));
  return (
    <section class="card"><h2>Settings</h2>
      <label class="block">Test <input list="tests" maxLength={200} placeholder={draft.filename} value={draft.test}
        onInput={(e) => onChange({ test: e.currentTarget.value })} /></label>
      <datalist id="tests">{tests.map((t) => <option key={t} value={t} />)}</datalist>
      <label class="block">Name of this run <input maxLength={200} value={draft.name} onInput={(e) => onChange({ name: e.currentTarget.value })} /></label>
      <fieldset class="env"><legend>Environment (__ENV)</legend>
        {env.map(([name, value], i) => (
          <p key={i}>
            <input aria-label={`Name of variable ${i + 1}`} value={name} onInput={(e) => set(i, [e.currentTarget.value, value])} />
            {' = '}
            <input aria-label={`Value of ${name || `variable ${i + 1}`}`} value={value} onInput={(e) => set(i, [name, e.currentTarget.value])} />{' '}
            <button type="button" aria-label={`Remove ${name || `variable ${i + 1}`}`} onClick={() => onChange({ env: env.filter((_, j) => j !== i) })}>×</button>
          </p>))}
        <button type="button" onClick={() => onChange({ env: [...env, ['', '']] })}>Add a variable</button>
        {missing.map((name) => (
          <button key={name} type="button" title="The script reads it" onClick={() => onChange({ env: [...env, [name, '']] })}>Add {name}</button>))}
      </fieldset>
    </section>
  );
}
