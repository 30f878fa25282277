import type { Policy } from '../../core/policy.ts';
import { denyPrincipal } from '../../core/verdict.ts';

/**
 * What a route asks for must stand on the credential, all of it. A credential without scopes has none: reading "nothing
 * written" as "everything" would let the oldest, least considered key do the most.
 */
export function scopesPolicy(): Policy {
  return {
    name: 'scopes',
    check(principal, _request, route) {
      const { scopes } = route;
      for (const scope of scopes) {
        if (!principal.scopes.includes(scope)) {
          const note = `${route.label} needs ${scopes.join(' ')}; credential ${principal.credentialId} lacks ${scope}`;
          return denyPrincipal(principal, 'insufficient_scope', note, { requiredScopes: scopes });
        }
      }
      return null;
    },
  };
}
