import { BlockList, isIPv4, isIPv6 } from 'node:net';

/** A set of client addresses in CIDR notation. */
export interface AddressList {
  /** As they were written. */
  readonly cidrs: readonly string[];
  /** `address`: one of IPv4 or IPv6, without a port; false for whatever else. */
  contains(address: string): boolean;
}

/** Null when the text is a valid address or CIDR; otherwise what is wrong with it, in plain words. */
export function cidrFault(cidr: string): string | null {
  const slash = cidr.indexOf('/');
  const address = slash === -1 ? cidr : cidr.slice(0, slash);
  const bitsMax = isIPv4(address) ? 32 : isIPv6(address) && !address.includes('%') ? 128 : 0;
  if (bitsMax === 0) return `"${cidr}" is not an IP address or CIDR; write for example 10.0.0.0/8 or fd00::/8`;
  if (slash === -1) return null;
  const bits = cidr.slice(slash + 1);
  if (!/^(0|[1-9][0-9]{0,2})$/.test(bits) || Number(bits) > bitsMax)
    return `"${cidr}" needs a prefix length from 0 to ${bitsMax}; write for example ${address}/${bitsMax}`;
  return null;
}

/** Throws on a CIDR that cidrFault would complain of: misuse shows when the list is built. */
export function addressList(cidrs: readonly string[]): AddressList {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const fault = cidrFault(cidr);
    if (fault) throw new TypeError(fault);
    const [address = '', bits] = cidr.split('/');
    const family = isIPv4(address) ? 'ipv4' : 'ipv6';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return {
    cidrs: [...cidrs],
    contains(address) {
      const plain = plainAddress(address);
      if (isIPv4(plain)) return list.check(plain, 'ipv4');
      return isIPv6(plain) && list.check(plain, 'ipv6');
    },
  };
}

/** IPv4 callers of a dual-stack socket arrive as ::ffff:10.0.0.7; rules and logs speak of 10.0.0.7. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && isIPv4(address.slice(7)) ? address.slice(7) : address;
}

/** Names by which this machine alone is called, as they stand in URLs and in Host. */
export const LOOPBACK_NAMES: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);
