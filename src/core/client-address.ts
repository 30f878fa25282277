import { isIP } from 'node:net';
import { plainAddress, type AddressList } from './address.ts';

/**
 * The client's address behind trusted proxies: each one appended the address it saw to X-Forwarded-For, so the list is
 * walked from the right and the first address that is no trusted proxy is the client's. What stands left of it was
 * written by the client itself and proves nothing.
 */
export function clientAddress(peer: string, forwardedFor: readonly string[], trusted: AddressList): string {
  let address = plainAddress(peer);
  if (forwardedFor.length === 0 || !isTrusted(trusted, address)) return address;
  const entries = forwardedFor.join(',').split(',');
  for (let index = entries.length - 1; index >= 0; index -= 1) {
    const entry = entryAddress(entries[index] as string);
    // A malformed entry came from nobody we trust: the last proxy that could be read stands for the client.
    if (entry === null) return address;
    address = entry;
    if (!trusted.contains(address)) return address;
  }
  return address;
}

export function isTrusted(trusted: AddressList, address: string): boolean {
  return trusted.cidrs.length > 0 && trusted.contains(address);
}

/**
 * Fields of one address, in which usual proxies say who the client is; some say nothing else. Nobody appends to them, so no address
 * is read from them here.
 */
export const CLIENT_ADDRESS_FIELDS: readonly string[] = [
  'x-real-ip',
  'true-client-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'cf-connecting-ip',
  'fastly-client-ip',
];

/** `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1` or `[2001:db8::1]:4711`; null for anything else. */
function entryAddress(entry: string): string | null {
  const text = entry.trim();
  const bracketed = /^\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?$/.exec(text);
  if (bracketed) return isIP(bracketed[1] as string) === 6 ? plainAddress(bracketed[1] as string) : null;
  if (isIP(text) !== 0 && !text.includes('%')) return plainAddress(text);
  const withPort = /^([0-9.]+):[0-9]{1,5}$/.exec(text);
  return withPort && isIP(withPort[1] as string) === 4 ? (withPort[1] as string) : null;
}
