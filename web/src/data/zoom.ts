/* The span of seconds that all charts of a page show together: null is everything there is. */
import type { Span } from './series';

const LEAST_SECONDS = 2;

export class Zoom {
  span: Span | null;
  private all: Span = { from: 0, to: 1 };
  private readonly watchers = new Set<() => void>();
  private isAnnounced = false;

  constructor(span: Span | null = null) {
    this.span = span;
  }

  /* What there is to see. New seconds move charts that show everything. */
  setAll(from: number, to: number) {
    this.all = { from, to: Math.max(to, from + 1) };
  }

  get shown(): Span {
    return this.span ?? this.all;
  }

  /* Called once per frame at most; returns what ends it. */
  watch(changed: () => void): () => void {
    this.watchers.add(changed);
    return () => this.watchers.delete(changed);
  }

  show(span: Span | null) {
    this.span = span && this.clip(span);
    if (this.isAnnounced) return;
    this.isAnnounced = true;
    requestAnimationFrame(() => {
      this.isAnnounced = false;
      this.watchers.forEach((changed) => changed());
    });
  }

  /* `factor` below 1 shows less; `around` (a second) stays where it is. */
  scale(factor: number, around = (this.shown.from + this.shown.to) / 2) {
    const { from, to } = this.shown;
    this.show({ from: around - (around - from) * factor, to: around + (to - around) * factor });
  }

  /* By a share of what is shown; above 0: later. */
  pan(share: number) {
    const { from, to } = this.shown;
    const by = Math.min(Math.max(share * (to - from), this.all.from - from), this.all.to - to);
    if (this.span) this.show({ from: from + by, to: to + by });
  }

  private clip(span: Span): Span | null {
    const middle = (span.from + span.to) / 2;
    const half = Math.max(span.to - span.from, LEAST_SECONDS) / 2;
    const from = Math.max(this.all.from, middle - half);
    const to = Math.min(this.all.to, middle + half);
    if (from <= this.all.from && to >= this.all.to) return null;
    return to - from >= LEAST_SECONDS ? { from, to } : this.span;
  }
}

/* What keys do on a chart; false: nothing. */
export function zoomByKey(zoom: Zoom, key: string): boolean {
  switch (key) {
    case 'ArrowLeft': zoom.pan(-0.1); return true;
    case 'ArrowRight': zoom.pan(0.1); return true;
    case '+': case '=': zoom.scale(0.7); return true;
    case '-': zoom.scale(1 / 0.7); return true;
    case '0': case 'Escape': zoom.show(null); return true;
    default: return false;
  }
}
