// expect-stdout: checks_succeeded...: 100.00% 7 out of 7
// expect-stderr: Error: no number
// expect-stderr: at double (file://
// expect-stderr: lib/typed.ts:9:15)
// expect-stderr: typescript.ts:43:3
import { check } from 'k6';
import { Options } from 'k6/options';
import { double, type Numeric } from './lib/typed.ts';
import list from './data/list.json';

enum Level {
  Low = 1,
  High = 5,
}

function doubled(target: object, key: string, what: PropertyDescriptor): PropertyDescriptor {
  return { ...what, value: () => 2 * (what.value as () => number)() };
}

class Box<T> {
  constructor(private readonly value: T) {}
  get(): T {
    return this.value;
  }
  @doubled three(): number {
    return 3;
  }
}

export const options: Options = { vus: 1, iterations: 1 };

export default function (): void {
  const n: Numeric = 4;
  check(null, {
    'enums': () => Level.High === 5 && Level[1] === 'Low',
    'types are stripped': () => double(n as number) === 8,
    'parameter properties': () => new Box<string>('a').get() === 'a',
    'decorators': () => new Box(1).three() === 6,
    'satisfies and non-null': () => ({ a: 1 }).a! === 1,
    'JSON is imported': () => list.list.length === 2,
    'optional chaining': () => ({} as any)?.a?.b === undefined,
  });
  double(null as unknown as number);
}
