import { isIPv4, isIPv6 } from 'node:net';
import { plainAddress } from '../core/address.ts';

/**
 * The name under which a client is counted. An IPv6 client is given a whole /64 (RFC 6177), so counting single addresses
 * would leave a guesser 2^64 of them; an IPv4 client is counted by its address, however the socket writes it.
 */
export function addressGroup(address: string): string {
  const plain = plainAddress(address);
  if (isIPv4(plain)) return plain;
  const zone = plain.indexOf('%');
  const bare = zone === -1 ? plain : plain.slice(0, zone);
  // What is no address at all (a unix socket, say) shares one counter: text from outside never becomes a key.
  if (!isIPv6(bare)) return 'unknown';
  const words = wordsOf(bare);
  if (words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff) return ipv4Of(words[6] ?? 0, words[7] ?? 0);
  const prefix = words.slice(0, 4).map((word) => word.toString(16));
  return `${prefix.join(':')}::/64`;
}

/** The eight 16-bit words of a valid IPv6 address. */
function wordsOf(address: string): number[] {
  const [head = '', tail] = address.split('::');
  const front = pieces(head);
  if (tail === undefined) return front;
  const back = pieces(tail);
  return [...front, ...Array<number>(8 - front.length - back.length).fill(0), ...back];
}

function pieces(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((piece) => {
    if (!piece.includes('.')) return [Number.parseInt(piece, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = piece.split('.').map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}

function ipv4Of(high: number, low: number): string {
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}
