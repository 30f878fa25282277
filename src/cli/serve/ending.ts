/** For so long, milliseconds, what comes in on a connection that was idle is still answered: a proxy may be sending on it. */
export const graceMillis = 2000;

/** Nobody at a terminal waits for those who might call. */
export function graceAfter(signal: string): number {
  return signal === 'SIGTERM' ? graceMillis : 0;
}

/** The first signal that asks this process to end. */
export function ending(): Promise<string> {
  return new Promise((resolve) => {
    const end = (signal: NodeJS.Signals): void => {
      process.removeListener('SIGINT', end).removeListener('SIGTERM', end);
      resolve(signal);
    };
    process.on('SIGINT', end).on('SIGTERM', end);
  });
}
