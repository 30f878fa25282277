import { isIPv4 } from 'node:net';
import { plainAddress } from '../core/address.ts';
import { CLIENT_ADDRESS_FIELDS, isTrusted } from '../core/client-address.ts';
import type { Stack } from '../compose/stack.ts';
import type { Exchange } from './exchange.ts';
import { refused, type Refused } from './refused.ts';

/** The name in a Host or Origin, without the port; an IPv6 address keeps its brackets off. Null when it is unreadable. */
export function hostName(authority: string): string | null {
  const found = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::[0-9]{1,5})?$/.exec(authority.toLowerCase());
  return found?.[1] ?? found?.[2] ?? null;
}

export function isLoopback(address: string): boolean {
  const plain = plainAddress(address);
  return plain === '::1' || (isIPv4(plain) && plain.startsWith('127.'));
}

function isLoopbackName(name: string): boolean {
  return name === 'localhost' || isLoopback(name);
}

/**
 * Against DNS rebinding: a page in a browser can make a name of its own mean 127.0.0.1, but it cannot change the Host and
 * Origin that the browser then sends. Only loopback names and adminHosts are ours.
 */
export function hostFault({ stack, request }: Exchange): Refused | null {
  const ours = ownName(stack);
  const host = hostName(request.authority);
  if (!ours(host)) return refused('not_allowed', 'the Host is neither a loopback name nor one of adminHosts');
  return originFault(request.fields('origin'), ours);
}

/** A trusted proxy is believed when it says that its client came over TLS. */
export function cameOverTls({ request, stack, peerAddress }: Exchange): boolean {
  if (request.protocol === 'https') return true;
  const said = request.fields('x-forwarded-proto').join();
  return isTrusted(stack.config.trustedProxies, peerAddress) && said === 'https';
}

/** What is secret goes over TLS, or to this machine alone and under its own names. */
export function exposure(exchange: Exchange, words: string): Refused | null {
  if (cameOverTls(exchange)) return null;
  if (!isLoopback(exchange.peerAddress) || wasForwarded(exchange)) return refused('bad_request', words);
  return hostFault(exchange);
}

const forwarding: ReadonlySet<string> = new Set(['via', 'forwarded', ...CLIENT_ADDRESS_FIELDS]);

/**
 * Whether a proxy says that it stands in for somebody else. nginx, unless told, says nothing, puts our own address into Host, and
 * speaks HTTP/1.0 (before 1.29.7), which no program on this machine does.
 */
export function wasForwarded({ req }: Exchange): boolean {
  if (req.httpVersion === '1.0') return true;
  return Object.keys(req.headersDistinct).some((name) => forwarding.has(name) || name.startsWith('x-forwarded-'));
}

function ownName({ config }: Stack): (name: string | null) => boolean {
  return (name) => name !== null && (isLoopbackName(name) || config.adminHosts.includes(name));
}

/** An Origin is sent by browsers; where there is one it has to be one of ours, too. */
function originFault(origins: readonly string[], ours: (name: string | null) => boolean): Refused | null {
  for (const origin of origins) {
    const scheme = /^https?:\/\//.exec(origin);
    if (!scheme || !ours(hostName(origin.slice(scheme[0].length))))
      return refused('not_allowed', 'the Origin is neither a loopback name nor one of adminHosts');
  }
  return null;
}

/**
 * /mcp stands on the port of the services. On a loopback socket the Host must be ours; on any other address the names by
 * which it is reached are not known here, and a proxy that we trust passes its own, but a browser's Origin must be ours always.
 */
export function mcpHostFault(exchange: Exchange): Refused | null {
  const { stack, request, req, peerAddress } = exchange;
  const local = isLoopback(req.socket.localAddress ?? '') && !stack.config.trustedProxies.contains(peerAddress);
  return local ? hostFault(exchange) : originFault(request.fields('origin'), ownName(stack));
}
