import { lookup as systemLookup, type LookupAddress, type LookupOptions } from 'node:dns';
import { BlockList, isIP } from 'node:net';
import { Agent, fetch as undiciFetch, type RequestInit } from 'undici';

/** What a name stands for; as node:dns has it. */
type Lookup = (
  name: string,
  options: LookupOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

export interface DocumentFetchOptions {
  /** Default: the system's. */
  readonly lookup?: Lookup;
  /** Certificates that are believed besides the usual ones, PEM. */
  readonly ca?: string;
  /** Which addresses may be connected to; default: those of the public internet only. */
  readonly mayReach?: (address: string) => boolean;
}

/**
 * A fetch for addresses that strangers name: their client's document, their client's keys. It follows nobody, waits a little
 * while, and connects to the public internet only. The address that a name stands for is judged where the connection is made,
 * and it is that one which is connected to: a name that means another address the next time gains nothing (DNS rebinding).
 */
export function documentFetch(
  options: DocumentFetchOptions = {},
): (url: string | URL, init?: object) => Promise<Response> {
  const { lookup = systemLookup as unknown as Lookup, ca, mayReach = isPublic } = options;
  const dispatcher = new Agent({
    connect: {
      timeout: 2500,
      ...(ca !== undefined && { ca }),
      lookup: (name, _wanted, answer) =>
        lookup(name, { all: true }, (error, addresses) => {
          if (error) return answer(error, []);
          // All of them: of a name that stands for a public and a private address either could be tried.
          const bad = addresses.find(({ address }) => !mayReach(address));
          if (bad || addresses.length === 0) return answer(refused(name), []);
          return answer(null, addresses);
        }),
    },
    headersTimeout: 3000,
    bodyTimeout: 3000,
    maxResponseSize: 65_536,
  });
  return async (url, init = {}) => {
    const { protocol, hostname, port } = new URL(url);
    const address = hostname.replace(/^\[|\]$/g, '');
    // A name is judged when it is looked up; an address written out is looked up by nobody.
    if (protocol !== 'https:' || (isIP(address) !== 0 && !mayReach(address)) || !(port === '' || mayReach !== isPublic))
      throw refused(hostname);
    const bounded = { ...init, redirect: 'manual', dispatcher, signal: AbortSignal.timeout(4000) } as RequestInit;
    return (await undiciFetch(url, bounded)) as unknown as Response;
  };
}

function refused(name: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${name} is not on the public internet`), { code: 'address_refused' });
}

const special = new BlockList();
for (const [network, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const)
  special.addSubnet(network, bits, 'ipv4');
/** Global unicast, 2000::/3, is all that there is of the public internet (RFC 4291 §2.4); these lie within it and are not. */
const global = new BlockList();
global.addSubnet('2000::', 3, 'ipv6');
for (const [network, bits] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const)
  special.addSubnet(network, bits, 'ipv6');

/** RFC 6890 and its successors: neither loopback nor link-local nor private nor anything else of special use. */
export function isPublic(address: string): boolean {
  const version = isIP(address);
  if (version === 4) return !special.check(address, 'ipv4');
  // IPv4 in the clothes of IPv6 lies outside of 2000::/3, so it is refused with the rest.
  return version === 6 && global.check(address, 'ipv6') && !special.check(address, 'ipv6');
}
