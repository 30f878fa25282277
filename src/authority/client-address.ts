import { isIP } from 'node:net';
import { plainAddress, type AddressList } from '../core/address.ts';

/**
 * The client behind trusted proxies: the rightmost address of X-Forwarded-For that is not one of theirs, since everything to
 * the left of it was written by the client itself. A peer that is not trusted is the client, whatever it claims.
 * Null when a trusted proxy wrote something that is no address: guessing could let the proxy's own address pass for the client's.
 */
export function clientAddress(peer: string, forwardedFor: readonly string[], trusted: AddressList): string | null {
  let address = plainAddress(peer);
  const hops = forwardedFor
    .join(',')
    .split(',')
    .filter((hop) => hop.trim() !== '');
  while (trusted.contains(address)) {
    const hop = hops.pop();
    if (hop === undefined) return address;
    const next = addressOfHop(hop.trim());
    if (next === null) return null;
    address = next;
  }
  return address;
}

/** Some proxies write a port behind the address: 192.0.2.1:4711, [2001:db8::1]:4711. */
function addressOfHop(hop: string): string | null {
  const bracketed = /^\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?$/.exec(hop);
  const withPort = /^([0-9.]+):[0-9]{1,5}$/.exec(hop);
  const address = plainAddress((bracketed?.[1] ?? withPort?.[1] ?? hop).toLowerCase());
  return isIP(address) !== 0 && !address.includes('%') ? address : null;
}
