/* The target's own metrics, where the run read them. */
import { useEffect, useState } from 'preact/hooks';
import type { LiveSeries, Run } from '../../api/types';
import { TargetView } from '../../components/target';
import { loadTarget, type Target } from '../../data/target';
import type { Zoom } from '../../data/zoom';

const LIVE_EVERY_SECONDS = 10;

interface Shown { target: Target; t: number[]; step: number }

interface TargetProps { run: Run; isLive: boolean; isFinal: boolean; series: LiveSeries; zoom: Zoom }

export function TargetPart({ run, isLive, isFinal, series, zoom }: TargetProps) {
  const [shown, setShown] = useState<Shown>();
  const age = isLive ? Math.floor(series.t.length / LIVE_EVERY_SECONDS) : -1;
  useEffect(() => {
    let isGone = false;
    const t = [...series.t];
    if (t.length === 0 || isFinal) return undefined;
    loadTarget(run.id, t, series.step, [...series.overall.p95 ?? []])
      .then((target) => { if (!isGone) setShown({ target, t, step: series.step }); }, () => {});
    return () => { isGone = true; };
  }, [run.id, age, series.t.length > 0]);
  return shown ? <TargetView {...shown} zoom={zoom} /> : null;
}
