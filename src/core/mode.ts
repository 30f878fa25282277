/** off: nothing is judged. report: judged and recorded, but let pass. enforce: refused when not allowed. */
export type Mode = 'off' | 'report' | 'enforce';

/** From the least strict to the strictest. */
export const MODES: readonly Mode[] = ['off', 'report', 'enforce'];

export function isMode(value: unknown): value is Mode {
  return value === 'off' || value === 'report' || value === 'enforce';
}
