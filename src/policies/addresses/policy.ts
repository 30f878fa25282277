import type { Policy } from '../../core/policy.ts';
import { denyPrincipal } from '../../core/verdict.ts';

/** Where from: the route's addresses, and those that the credential itself is bound to. */
export function addressesPolicy(): Policy {
  return {
    name: 'addresses',
    check(principal, request, route) {
      const { remoteAddress } = request;
      if (route.addresses !== null && !route.addresses.contains(remoteAddress))
        return denyPrincipal(principal, 'address_not_allowed', `${route.label} is not open to ${remoteAddress}`);
      if (principal.addresses !== null && !principal.addresses.contains(remoteAddress))
        return denyPrincipal(
          principal,
          'address_not_allowed',
          `credential ${principal.credentialId} may not be used from ${remoteAddress}`,
        );
      return null;
    },
  };
}
