/**
 * Slows down guessing without locking out whoever knows the secret: below the limit a wrong secret is counted; above it
 * every attempt of that address waits its turn, one a second, and those beyond a short queue are turned away unread.
 */
export interface AttemptGate {
  /** Judges one attempt; `check` says whether the secret is right and is called at most once. */
  attempt(address: string, check: () => boolean): Promise<AttemptResult>;
}

export type AttemptResult =
  | { readonly result: 'right' }
  | { readonly result: 'wrong' }
  /** Wrong and over the limit, or turned away unread. */
  | { readonly result: 'limited'; readonly retryAfter: number };
