import { isIP } from 'node:net';
import { isLoopback } from '../compose/schema/quantities.ts';
import { LOOPBACK_NAMES } from '../core/address.ts';
import type { Decision } from '../core/decision.ts';
import type { ExchangeOptions } from './exchange-options.ts';
import { hostName } from './topology.ts';

/**
 * The Host that the upstream receives: its own. But servers on this machine, those of MCP's SDK among them, look at Host to keep out
 * pages that have a name of theirs mean 127.0.0.1 (DNS rebinding), and a page must not be lent by us what they look for. So where nothing
 * is proven, a name that may be such a page's goes on as it came, and the server judges it as if we were not there. Lines that a page
 * can write by itself, X-Forwarded-For say, make no difference.
 */
export function lentHost(
  {
    context,
    req,
    request,
    service,
    upstream,
  }: Pick<ExchangeOptions, 'context' | 'req' | 'request' | 'service' | 'upstream'>,
  { verdict }: Pick<Decision, 'verdict'>,
): string {
  const { host } = upstream;
  if (verdict?.allowed === true || !LOOPBACK_NAMES.has(hostName(host))) return host;
  const isBrowserHere = isLoopback(request.peerAddress) && !request.viaTrustedProxy && !isProxy(req);
  if (!isBrowserHere || req.headers.host === undefined) return host;
  const asked = hostName(req.headers.host.toLowerCase());
  if (!canBeAnybodys(asked)) return host;
  const isKnown = service.hosts.includes(asked) || asked === new URL(context.stack.config.publicUrl).hostname;
  return isKnown ? host : req.headers.host;
}

/** Neither does a browser speak HTTP/1.0, nor may a page write Via. */
function isProxy({ httpVersion, headers }: ExchangeOptions['req']): boolean {
  return httpVersion === '1.0' || headers.via !== undefined;
}

/** Of the public DNS. There are no names without a dot, and these endings are given to nobody: containers call their host so. */
function canBeAnybodys(name: string): boolean {
  return name.includes('.') && isIP(name) === 0 && !/\.(?:localhost|internal)$/.test(name);
}
