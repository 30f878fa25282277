import { presented } from '../core/bearer.ts';
import { unrecognised } from '../core/unrecognised.ts';
import { allow, deny, denyPrincipal, type Denied, type Principal, type Verdict } from '../core/verdict.ts';
import { messageOf } from '../core/message-of.ts';
import { mintedKind } from '../crypto/key-format.ts';
import type { Exchange } from './exchange.ts';
import { isRefused, refusedBy, type Refused } from './refused.ts';

/** The scope with which others than the admin administer tokens. */
export const ADMIN_TOKENS = 'admin:tokens';
export const METRICS_READ = 'metrics:read';
/** The scope with which a service reads the keys that it judges by; a token that has it reads those of every service. */
export const KEYS_READ = 'keys:read';

/** The bearer of the admin token. */
const ADMIN: Principal = {
  id: 'operator:admin',
  scheme: 'admin-token',
  credentialId: 'admin',
  scopes: [],
  expiresAt: null,
  addresses: null,
};

export interface Caller {
  readonly principal: Principal;
  readonly isAdmin: boolean;
}

/** Who is asking, by admin token or by any Bearer or API key of the stack. */
export async function callerOf(exchange: Exchange): Promise<Caller | Refused> {
  const verdict = await judge(exchange);
  if (!verdict.allowed) return refusedBy(verdict);
  const { principal } = verdict;
  const { remoteAddress } = exchange.request;
  if (principal.addresses && !principal.addresses.contains(remoteAddress))
    return refusedBy(
      denyPrincipal(principal, 'address_not_allowed', `${remoteAddress} is outside the credential's addresses`),
    );
  exchange.stack.audit.used(principal, remoteAddress);
  return { principal, isAdmin: principal === ADMIN };
}

/** The admin, or a caller with this scope. */
export async function callerWith(exchange: Exchange, scope: string): Promise<Caller | Refused> {
  const caller = await callerOf(exchange);
  if (isRefused(caller) || caller.isAdmin || caller.principal.scopes.includes(scope)) return caller;
  const denied = denyPrincipal(caller.principal, 'insufficient_scope', `the scope ${scope} is needed`, {
    requiredScopes: [scope],
  });
  return refusedBy(denied, `this needs the admin token or the scope ${scope}`);
}

/** The admin alone: any other credential that is known is refused as not allowed. */
export async function adminOf(exchange: Exchange): Promise<Caller | Refused> {
  const caller = withAdminWords(await callerOf(exchange));
  if (isRefused(caller) || caller.isAdmin) return caller;
  return refusedBy(
    denyPrincipal(caller.principal, 'not_allowed', 'only the admin token serves here'),
    'this needs the admin token',
  );
}

/** Where the contract speaks of the admin token, a wrong credential of any form is an invalid admin token. */
export function withAdminWords<T extends object>(caller: T | Refused): T | Refused {
  if (!isRefused(caller)) return caller;
  const { denied } = caller;
  switch (denied.reason) {
    case 'invalid_credentials':
    case 'expired':
    case 'revoked':
      return refusedBy({ ...denied, presentedAs: 'admin-token' }, caller.detail);
    default:
      return caller;
  }
}

/**
 * Other credentials first: theirs are found by the digest of 256 random bits and need no limit, and a service that comes
 * with its own must not use up the attempts at the admin token.
 */
async function judge({ stack, request }: Exchange): Promise<Verdict> {
  const found = presented(request, 'ours');
  if (found.kind === 'none' || found.kind === 'malformed') return unrecognised(request, 'ours');
  const kind = mintedKind(found.value);
  const mayBeAdmin = found.kind === 'bearer' && (kind === null || kind === 'ad');
  let verdict: Verdict | null = null;
  let outage: unknown = null;
  try {
    for (const scheme of stack.bearerSchemes) {
      verdict = await scheme.authenticate(request);
      if (verdict) break;
    }
  } catch (error) {
    outage = error;
  }
  // One that was right once is nobody's guess at the admin token.
  if (verdict?.allowed || verdict?.caller?.proven) return verdict;
  if (mayBeAdmin) {
    const attempt = await stack.admin.attempts.attempt(request.remoteAddress, () =>
      stack.admin.isAdminToken(found.value),
    );
    if (attempt.result === 'right') return allow(ADMIN);
    if (attempt.result === 'limited') return tooMany(attempt.retryAfter);
  }
  if (outage !== null)
    return deny('unavailable', `could not look the credential up: ${messageOf(outage)}`, { retryAfter: 1 });
  return verdict ?? unrecognised(request, 'ours');
}

function tooMany(retryAfter: number): Denied {
  return deny('rate_limited', 'too many wrong admin tokens from this address', {
    presentedAs: 'admin-token',
    retryAfter,
  });
}
