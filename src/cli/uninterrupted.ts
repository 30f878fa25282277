const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Work that must come to its end, so that nothing is left half done or lying about: a signal meanwhile is told of, and waits. */
export async function uninterrupted<T>(onSignal: () => void, work: () => Promise<T>): Promise<T> {
  for (const signal of signals) process.on(signal, onSignal);
  try {
    return await work();
  } finally {
    for (const signal of signals) process.removeListener(signal, onSignal);
  }
}
