import type { Exchange } from './exchange.ts';
import { cameOverTls } from './host-check.ts';

const plainName = 'countersign_session';
/** RFC 6265bis §4.1.3.2: nobody but this very host sets it, and over TLS only. */
const hostName = `__Host-${plainName}`;

function nameFor(exchange: Exchange): string {
  return cameOverTls(exchange) ? hostName : plainName;
}

/** The session that a browser brings; null without one, and where several would have to be chosen from. */
export function sessionCookie(exchange: Exchange): string | null {
  const name = nameFor(exchange);
  const found = exchange.request
    .fields('cookie')
    .flatMap((line) => line.split(';'))
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`));
  return found.length === 1 ? (found[0] ?? '').slice(name.length + 1) : null;
}

/** A Set-Cookie line; without a token, the one that takes the cookie away. It lasts as long as the browser, the session decides. */
export function sessionCookieLine(exchange: Exchange, token: string | null): string {
  const secure = cameOverTls(exchange) ? '; Secure' : '';
  const end = token === null ? '; Max-Age=0' : '';
  return `${nameFor(exchange)}=${token ?? ''}; Path=/; HttpOnly; SameSite=Strict${secure}${end}`;
}
