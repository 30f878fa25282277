import type { Stack } from '../../compose/stack.ts';
import type { Exchange } from '../exchange.ts';
import { cookieIn, hostCookieName } from './session-cookie.ts';
import { cameOverTls } from '../host-check.ts';

const name = 'countersign_openid';
const context = { id: 'login', service: 'operators', kind: 'openid' };

/** What a browser carries while its person is at another server: sealed, so that it can neither read nor make it, and for a while. */
export interface TravelCookie<T> {
  pack(exchange: Exchange, value: T, seconds: number): void;
  /** Null without one, and for one that is old or not ours. */
  unpack(exchange: Exchange): T | null;
  drop(exchange: Exchange): void;
}

export function travelCookie<T extends object>({ seal, clock }: Stack): TravelCookie<T> {
  // Lax, since it is to come along when the other server sends the browser back.
  function write(exchange: Exchange, value: string, seconds: number): void {
    const secure = cameOverTls(exchange) ? '; Secure' : '';
    const start = `${hostCookieName(exchange, name)}=`;
    const line = `${start}${value}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${seconds}${secure}`;
    // One answer says one thing of it (RFC 6265 §4.1.1).
    const others = [exchange.res.getHeader('set-cookie') ?? []].flat().map(String);
    exchange.res.setHeader('set-cookie', [...others.filter((other) => !other.startsWith(start)), line]);
  }
  return {
    pack(exchange, value, seconds) {
      write(exchange, seal.seal(JSON.stringify({ value, until: clock() + seconds }), context), seconds);
    },
    unpack(exchange) {
      const sealed = cookieIn(exchange, name);
      if (sealed === null) return null;
      try {
        const { value, until } = JSON.parse(seal.open(sealed, context)) as { value: T; until: number };
        return clock() < until ? value : null;
      } catch {
        return null;
      }
    },
    drop: (exchange) => write(exchange, '', 0),
  };
}
