import type { IncomingMessage } from 'node:http';
import { identityClaims } from '../../core/identity.ts';
import { deny, type Denied } from '../../core/verdict.ts';
import type { Exchange } from '../exchange.ts';
import { refused, type Refused } from '../refused.ts';

/**
 * The words by which proxies and we speak to an upstream. X-Auth-Token is a credential by wide custom, X-Request-Id a name for
 * a request and no more.
 */
const spoken =
  /^(?:x-(?:auth-(?!token$)|forwarded-|original-|(?:real|client|cluster-client)-ip$|rewrite-url$|http-method|method-override$|override-token$)|(?:true-client|cf-connecting|fastly-client)-ip$)/;

/**
 * A header that an upstream behind CGI or WSGI, where '-', '_' and '.' are one character, takes for a word of the proxy's.
 * The gateway drops it; a proxy that asks us overwrites its own spelling only and would pass the client's on beside it.
 */
export function misspelt({ req }: Exchange): Refused | null {
  const name = otherwiseSpelled(req, spoken);
  return name === null ? null : refused('bad_request', `an upstream could take "${name}" for a header of the proxy's`);
}

/**
 * Likewise a word of other proxies for who is asking: Remote_User. Asked only where the route enforces: some that stand before
 * the one that asks do spell them so, and nothing changes for callers before.
 */
export function misspeltClaim({ req }: Exchange): Denied | null {
  const name = otherwiseSpelled(req, identityClaims);
  return name === null ? null : deny('bad_request', `an upstream could take "${name}" for another proxy's word`);
}

function otherwiseSpelled({ headersDistinct }: IncomingMessage, meant: RegExp): string | null {
  const isMeant = (name: string): boolean => /[^a-z0-9-]/.test(name) && meant.test(name.replace(/[^a-z0-9]/g, '-'));
  return Object.keys(headersDistinct).find(isMeant) ?? null;
}
