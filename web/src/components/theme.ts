/* Colours that canvases need as values. */
import { useEffect, useState } from 'preact/hooks';

const dark = matchMedia('(prefers-color-scheme: dark)');

export interface Theme { text: string; grid: string; lines: string[]; warn: string; error: string; soft: string }

/* The first is the whole, the others are regions (or runs): told apart by people who see colours differently,
 * at 3:1 against the background or better. */
const LIGHT: Theme = {
  text: '#49505a', grid: '#e3e6ea', warn: '#b4590a', error: '#b3202f', soft: '#737b86',
  lines: ['#3d444d', '#1668b8', '#c2570c', '#17794a', '#8b3fb0', '#c2334d', '#0b7f8c', '#8a6d0b'],
};
const DARK: Theme = {
  text: '#c3c8d0', grid: '#2c323b', warn: '#f0a954', error: '#ff8591', soft: '#98a1ad',
  lines: ['#d5dae1', '#5aa9f0', '#f29b57', '#55c48b', '#c68be6', '#ff8591', '#4fc4d1', '#d7b955'],
};

export function useTheme(): Theme {
  const [isDark, setDark] = useState(dark.matches);
  useEffect(() => {
    const changed = () => setDark(dark.matches);
    dark.addEventListener('change', changed);
    return () => dark.removeEventListener('change', changed);
  }, []);
  return isDark ? DARK : LIGHT;
}

export function colorOf({ lines: [whole, ...others] }: Theme, i: number): string {
  return i === 0 ? whole : others[(i - 1) % others.length];
}

/* Lines are told apart by their dashes as well. */
const DASHES = [[], [8, 4], [3, 2], [10, 3, 3, 3]];
export const dashOf = (i: number): number[] => (i === 0 ? [] : DASHES[(i - 1) % DASHES.length]);
