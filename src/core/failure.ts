/**
 * Whether this is what became of a request that had been let pass: its service did not answer, or it could not be passed on. The
 * decision on it was kept and counted by itself, so it is no request of its own. Where nobody can decide nobody is proven:
 * what is unavailable to a proven caller failed later.
 */
export function failedLater(reason: string, isProven: boolean): boolean {
  return reason.startsWith('upstream_') || (reason === 'unavailable' && isProven);
}
