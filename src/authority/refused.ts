import { deny, type Denied, type Reason } from '../core/verdict.ts';

// A symbol, since answers are data of any shape: a report has a member "denied" as well.
const brand: unique symbol = Symbol('refused');

/**
 * A refusal by the authority itself. `detail` is said to the caller behind the public words, so that a person or an agent
 * knows what to write instead; it is never a scheme's note, which is the operator's.
 */
export interface Refused {
  readonly [brand]: true;
  readonly denied: Denied;
  readonly detail: string | null;
  /** Whoever asks is let through after showing the password once more. */
  readonly confirm: boolean;
}

/** For what the caller may read word for word. */
export function refused(reason: Reason, detail: string): Refused {
  return refusedBy(deny(reason, detail), detail);
}

export function refusedBy(denied: Denied, detail: string | null = null): Refused {
  return { [brand]: true, denied, detail, confirm: false };
}

/** For an operator who proved it too long ago for what is asked. */
export function unconfirmed(denied: Denied, detail: string): Refused {
  return { ...refusedBy(denied, detail), confirm: true };
}

export function isRefused<T extends object>(value: T | Refused): value is Refused {
  return brand in value;
}
