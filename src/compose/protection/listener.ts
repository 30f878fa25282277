import { isPromise, type MaybePromise } from '../../core/maybe-promise.ts';

/** What a program gives to be told of something. Nobody waits for it. */
export type Listener<Told extends readonly unknown[]> = (...told: Told) => MaybePromise<void>;

/** The listener, whose failure changes nothing of what it is told of, at once or later: `onFailure` hears of it instead. */
export function unfailing<Told extends readonly unknown[]>(
  listener: Listener<Told>,
  onFailure: (error: unknown) => void,
): (...told: Told) => void {
  return (...told) => {
    try {
      const listening = listener(...told);
      if (isPromise(listening)) listening.then(undefined, onFailure);
    } catch (error) {
      onFailure(error);
    }
  };
}
