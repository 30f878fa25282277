import { OTHERS } from '../../core/rollup.ts';

export { routeWords } from './mending.ts';

export function callerWords(caller: string): string {
  if (caller === '') return '(unnamed)';
  return caller === OTHERS ? '(others)' : caller;
}

export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** Rounded down: 99.99 % of a million is not all of them. */
export function percent(rate: number | null): string {
  return rate === null ? '' : `${Math.floor(rate * 1000) / 10} %`;
}
