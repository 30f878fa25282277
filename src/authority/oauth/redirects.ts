import { LOOPBACK_NAMES } from '../../core/address.ts';

/**
 * Whether an answer, and the code in it, would go over the network in the clear. MCP's authorization asks for https or this machine;
 * a scheme of a program's own (RFC 8252 §7.1) stays on the machine, too.
 */
export function isInTheClear(uri: string): boolean {
  const url = URL.canParse(uri) ? new URL(uri) : null;
  return url?.protocol === 'http:' && !LOOPBACK_NAMES.has(url.hostname);
}

/** In the library's words, which make of them the error that RFC 7591 §3.2.2 has for it. */
export const inTheClearWords =
  'redirect_uris must be https, or of this machine: http://127.0.0.1/…, http://localhost/…';
