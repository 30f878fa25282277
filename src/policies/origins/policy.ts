import type { Policy } from '../../core/policy.ts';
import { denyPrincipal } from '../../core/verdict.ts';

/**
 * From which pages a browser may call. Against DNS rebinding: a page can make a name of its own mean this server's address,
 * but the Origin that its browser sends it cannot choose. Other programs send none.
 */
export function originsPolicy(): Policy {
  return {
    name: 'origins',
    check(principal, request, { origins }) {
      if (origins === null) return null;
      const lines = request.fields('origin');
      if (lines.every((line) => origins.includes(line.toLowerCase()))) return null;
      return denyPrincipal(principal, 'not_allowed', 'the page that calls is of an Origin that is not allowed here');
    },
  };
}
