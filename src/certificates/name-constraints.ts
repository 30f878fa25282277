import { BlockList, isIP } from 'node:net';

/** Names that an authority may put into certificates (RFC 5280 §4.2.1.10). Of each kind that is named nothing else is allowed. */
export interface PermittedNames {
  /** Each with all names below it. */
  readonly dns: readonly string[];
  /** Hosts of URIs, exactly. */
  readonly uriHosts: readonly string[];
  /** IPv4 and IPv6 networks: 127.0.0.0/8. */
  readonly networks: readonly string[];
}

export const nameConstraintsId = '2.5.29.30';

const sequence = 0x30;
const permitted = 0xa0;
const [dnsName, uri, address] = [0x82, 0x86, 0x87];

/** The value of the extension in DER; the library that makes certificates has no word for it. */
export function nameConstraints({ dns, uriHosts, networks }: PermittedNames): Uint8Array<ArrayBuffer> {
  const subtrees = [
    ...dns.map((name) => element(dnsName, Buffer.from(name, 'ascii'))),
    ...uriHosts.map((host) => element(uri, Buffer.from(host, 'ascii'))),
    ...networks.map((network) => element(address, networkBytes(network))),
  ].map((name) => element(sequence, name));
  return Uint8Array.from(element(sequence, element(permitted, Buffer.concat(subtrees))));
}

function element(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

/** Address and mask. */
function networkBytes(network: string): Buffer {
  const [host = '', prefix = ''] = network.split('/');
  const bytes = isIP(host) === 4 ? v4(host) : v6(host);
  const bits = Number(prefix);
  const mask = Buffer.from(bytes.map((_, index) => 0xff & ~(0xff >> Math.min(8, Math.max(0, bits - index * 8)))));
  return Buffer.concat([Buffer.from(bytes.map((byte, index) => byte & (mask[index] as number))), mask]);
}

function v4(host: string): Buffer {
  return Buffer.from(host.split('.').map(Number));
}

function v6(host: string): Buffer {
  const [head = '', tail] = host.split('::');
  const words = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((word) => Number.parseInt(word, 16));
  const [first, last] = [words(head), words(tail ?? '')];
  const all =
    tail === undefined ? first : [...first, ...Array<number>(8 - first.length - last.length).fill(0), ...last];
  return Buffer.from(all.flatMap((word) => [word >> 8, word & 0xff]));
}

/** True for a network that can be written so. */
export function isNetwork(text: string): boolean {
  const [host = '', prefix = '', rest] = text.split('/');
  const family = isIP(host);
  if (family === 0 || rest !== undefined || !/^[0-9]{1,3}$/.test(prefix)) return false;
  return Number(prefix) <= (family === 4 ? 32 : 128) && !host.includes('%') && !/:.*\./.test(host);
}

/** Whether an authority so bound may name this host, by name or address. */
export function mayName({ dns, networks }: PermittedNames, host: string): boolean {
  if (isIP(host) === 0) return dns.some((name) => host === name || host.endsWith(`.${name}`));
  const family = isIP(host) === 4 ? 'ipv4' : 'ipv6';
  return networks.some((network) => {
    const [start = '', prefix = ''] = network.split('/');
    if (isIP(start) !== isIP(host)) return false;
    const list = new BlockList();
    list.addSubnet(start, Number(prefix), family);
    return list.check(host, family);
  });
}
