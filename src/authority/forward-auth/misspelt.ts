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
  for (const name of Object.keys(req.headersDistinct)) {
    if (!/[^a-z0-9-]/.test(name) || !spoken.test(name.replace(/[^a-z0-9]/g, '-'))) continue;
    return refused('bad_request', `an upstream could take "${name}" for a header of the proxy's`);
  }
  return null;
}
