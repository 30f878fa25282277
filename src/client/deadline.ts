import { ClientError } from './client-error.ts';

/** The time that one call has until the response's head, pauses and retries included. */
export interface Deadline {
  /** Aborts when time is up, and for as long as the response is read when the caller says so. */
  readonly signal: AbortSignal;
  /** Waits; false at once when there would be no time left after it. Rejects with the signal's reason. */
  pause(millis: number): Promise<boolean>;
  /** The head has arrived: a stream may last as long as it likes. */
  stop(): void;
}

/** Timers hold no more. */
export const timerMillisMax = 2 ** 31 - 1;

export function deadline(seconds: number, caller: AbortSignal | null, what: string): Deadline {
  const end = performance.now() + seconds * 1000;
  const controller = new AbortController();
  const timeUp = () => controller.abort(new ClientError('timed_out', `${what}: no response within ${seconds} s`));
  const timer = seconds * 1000 < timerMillisMax ? setTimeout(timeUp, seconds * 1000) : null;
  const signal = caller === null ? controller.signal : AbortSignal.any([caller, controller.signal]);
  return {
    signal,
    pause(millis) {
      if (performance.now() + millis >= end) return Promise.resolve(false);
      return new Promise((resolve, reject) => {
        const wake = () => {
          signal.removeEventListener('abort', give);
          resolve(true);
        };
        const give = () => {
          clearTimeout(pausing);
          reject(signal.reason as Error);
        };
        const pausing = setTimeout(wake, millis);
        if (signal.aborted) give();
        else signal.addEventListener('abort', give, { once: true });
      });
    },
    stop() {
      if (timer) clearTimeout(timer);
    },
  };
}
