/* How a run stands. */
import type { Run } from '../api/types';

export function Status({ run }: { run: Run }) {
  const text = run.result ?? run.phase;
  return <span class={`status ${text}`}>{text}</span>;
}

/* Thresholds that hold and that don't. */
export function Verdicts({ passed, failed }: { passed: number; failed: number }) {
  if (passed + failed === 0) return <span class="hint">none</span>;
  return (
    <span>
      <span class="good" title={`${passed} hold`}>✓ {passed}</span>{' '}
      {failed > 0 && <span class="bad" title={`${failed} crossed`}>✗ {failed}</span>}
    </span>
  );
}

/* The name of a region wherever its numbers show: those over an emulated distance say so. */
export const regionLabel = (name: string, isEmulated: boolean): string => (isEmulated ? `${name} (emulated)` : name);
