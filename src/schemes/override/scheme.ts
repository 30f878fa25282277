import type { Scheme } from '../../core/scheme.ts';
import { allow, deny, type Principal } from '../../core/verdict.ts';

const name = 'override';

/** The header never reaches an upstream. */
export const overrideHeader = 'x-override-token';

const breakGlass: Principal = {
  id: 'operator:break-glass',
  scheme: name,
  credentialId: name,
  scopes: [],
  expiresAt: null,
  addresses: null,
};

export interface OverrideOptions {
  /** Compares in constant time; false for everything where no override token is configured. */
  readonly isOverrideToken: (presented: string) => boolean;
}

/** Break-glass for service routes, `X-Override-Token`. Whoever presents it wrongly is refused, whatever else the request carries. */
export function override(options: OverrideOptions): Scheme {
  return {
    name,
    authenticate(request) {
      const lines = request.fields(overrideHeader);
      if (lines.length === 0) return null;
      if (lines.length > 1)
        return deny('malformed_credentials', 'more than one X-Override-Token line', {
          presentedAs: 'override',
          scheme: name,
        });
      if (options.isOverrideToken(lines[0] as string)) return allow(breakGlass);
      return deny('invalid_credentials', 'the X-Override-Token is not the configured one', {
        presentedAs: 'override',
        scheme: name,
      });
    },
    challenge: () => null,
  };
}
