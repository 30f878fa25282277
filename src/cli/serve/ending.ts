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
