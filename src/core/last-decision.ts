import type { DecisionStore } from './store.ts';

/**
 * The greatest number of a decision; 0 while there is none. That of the newest by its time may be any: rows arrive late, and whoever
 * puts one into the database itself chooses both.
 */
export async function lastDecision(decisions: DecisionStore): Promise<number> {
  const goesOn = async (number: number): Promise<boolean> =>
    (await decisions.list({ after: number, limit: 1 })).length > 0;
  const [newest] = await decisions.list({ limit: 1 });
  let low = Math.max(0, newest?.sequence ?? 0);
  if (!(await goesOn(low))) return low;
  let high = low + 1;
  for (let step = 1; await goesOn(high); high = low + step) {
    low = high;
    step *= 2;
    if (low + step > Number.MAX_SAFE_INTEGER) return Number.MAX_SAFE_INTEGER;
  }
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (await goesOn(middle)) low = middle;
    else high = middle;
  }
  return high;
}
