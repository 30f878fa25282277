import { andThen, type MaybePromise } from '../../core/maybe-promise.ts';
import type { Scheme } from '../../core/scheme.ts';
import { allow, deny, type Denied, type Principal, type Reason, type Verdict } from '../../core/verdict.ts';

const name = 'override';

/** The header never reaches an upstream. */
const overrideHeader = 'x-override-token';

const breakGlass: Principal = {
  id: 'operator:break-glass',
  scheme: name,
  credentialId: name,
  scopes: [],
  expiresAt: null,
  addresses: null,
};

export interface OverrideOptions {
  /**
   * Judges one attempt from one address. The token is whatever the operator chose, so guessing must be slowed down:
   * 'limited' is an attempt that was wrong, or not read, after too many wrong ones.
   */
  readonly attempt: (address: string, presented: string) => MaybePromise<OverrideResult>;
}

export type OverrideResult =
  | { readonly result: 'right' | 'wrong' }
  | { readonly result: 'limited'; readonly retryAfter: number };

/** Break-glass for service routes, `X-Override-Token`. Whoever presents it wrongly is refused, whatever else the request carries. */
export function override({ attempt }: OverrideOptions): Scheme {
  return {
    name,
    authenticate(request) {
      const lines = request.fields(overrideHeader);
      if (lines.length === 0) return null;
      if (lines.length > 1) return refuse('malformed_credentials', 'more than one X-Override-Token line');
      return andThen(attempt(request.remoteAddress, lines[0] as string), (answer): Verdict => {
        switch (answer.result) {
          case 'right':
            return allow(breakGlass);
          case 'wrong':
            return refuse('invalid_credentials', 'the X-Override-Token is not the configured one');
          case 'limited':
            return refuse('rate_limited', 'too many wrong override tokens from this address', answer.retryAfter);
        }
      });
    },
    challenge: () => null,
  };
}

function refuse(reason: Reason, note: string, retryAfter: number | null = null): Denied {
  return deny(reason, note, { presentedAs: 'override', scheme: name, retryAfter });
}
