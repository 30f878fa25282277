import type { KeyUse } from '../core/credential.ts';

/** '3 h ago by ai-stack from 10.0.0.7'. */
export function useWords({ lastUsed, caller, clientAddress }: KeyUse, now: number): string {
  return `${agoWords(now - lastUsed)} by ${caller.replace(/^service:/, '')} from ${clientAddress}`;
}

/** Seconds in the largest unit that fits: '40 s ago', '3 h ago', '12 days ago'. */
export function agoWords(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s ago`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ago`;
  if (whole < 2 * 86_400) return `${Math.floor(whole / 3600)} h ago`;
  return `${Math.floor(whole / 86_400)} days ago`;
}

/** Seconds in the largest unit that fits, rounded down: '45 s', '23 h', '13 days'. */
export function spanWords(seconds: number): string {
  return agoWords(seconds).replace(/ ago$/, '');
}
