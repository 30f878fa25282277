/** A value now, or later. The hot path stays synchronous; only misses and outages are awaited. */
export type MaybePromise<T> = T | Promise<T>;

export function isPromise<T>(value: MaybePromise<T>): value is Promise<T> {
  return typeof (value as { then?: unknown } | null)?.then === 'function';
}

/** `then` without a turn of the event loop for what is here already. What `follow` throws is thrown or rejects alike. */
export function andThen<T, U>(value: MaybePromise<T>, follow: (value: T) => MaybePromise<U>): MaybePromise<U> {
  return isPromise(value) ? value.then(follow) : follow(value);
}

/** Asks one after the other, each only when those before it had no answer; null when none has one. */
export function firstAnswer<Item, Answer>(
  items: readonly Item[],
  ask: (item: Item) => MaybePromise<Answer | null>,
  from = 0,
): MaybePromise<Answer | null> {
  for (let index = from; index < items.length; index += 1) {
    const answer = ask(items[index] as Item);
    if (isPromise(answer)) return answer.then((late) => late ?? firstAnswer(items, ask, index + 1));
    if (answer !== null) return answer;
  }
  return null;
}
