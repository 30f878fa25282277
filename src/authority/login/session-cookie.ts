import type { Exchange } from '../exchange.ts';
import { cameOverTls } from '../host-check.ts';

const name = 'countersign_session';

/** The name of a cookie for the whole of our host. */
export function hostCookieName(exchange: Exchange, plain: string): string {
  return cookieName(plain, exchange.request.authority, cameOverTls(exchange));
}

/**
 * RFC 6265bis §4.1.3.2: over TLS nobody but this very host sets it. Cookies know no ports, so the name has ours: of two stacks on one
 * host, or behind tunnels to this one, none logs out of the other. `host`: as it stands in an address, where a usual port is left out.
 */
export function cookieName(plain: string, host: string, overTls: boolean): string {
  const [, port] = /:([0-9]{1,5})$/.exec(host) ?? [];
  return `${overTls ? '__Host-' : ''}${plain}${port === undefined ? '' : `_${port}`}`;
}

/** The value that a browser brings under this name; null without one, and where several would have to be chosen from. */
export function cookieIn(exchange: Exchange, plain: string): string | null {
  const start = `${hostCookieName(exchange, plain)}=`;
  const found = exchange.request
    .fields('cookie')
    .flatMap((line) => line.split(';'))
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(start));
  return found.length === 1 ? (found[0] ?? '').slice(start.length) : null;
}

/** The session that a browser brings. */
export function sessionCookie(exchange: Exchange): string | null {
  return cookieIn(exchange, name);
}

/** A Set-Cookie line; without a token, the one that takes the cookie away. It lasts as long as the browser, the session decides. */
export function sessionCookieLine(exchange: Exchange, token: string | null): string {
  const secure = cameOverTls(exchange) ? '; Secure' : '';
  const end = token === null ? '; Max-Age=0' : '';
  return `${hostCookieName(exchange, name)}=${token ?? ''}; Path=/; HttpOnly; SameSite=Strict${secure}${end}`;
}
