import { rfc3339 } from '../../core/clock.ts';
import type { OpenSession } from '../../operators/sessions.ts';
import type { Exchange } from '../exchange.ts';
import { success, type Reply } from '../reply.ts';
import { sessionCookieLine } from './session-cookie.ts';

/** What a page learns of its session, with the cookie under which it goes on. */
export function sessionReply(exchange: Exchange, session: OpenSession, recoveryCodes?: readonly string[]): Reply {
  const { account, csrf, confirmedUntil, expiresAt } = session;
  const data = {
    operator: {
      name: account.name,
      role: account.role,
      totp: account.totp !== null,
      openid: account.openid !== undefined,
      recovery_codes_left: account.totp?.recovery.length ?? 0,
    },
    csrf,
    confirmed_until: rfc3339(confirmedUntil),
    expires_at: rfc3339(expiresAt),
    ...(recoveryCodes && { recovery_codes: recoveryCodes }),
  };
  return withCookie(exchange, session.token, success(200, data));
}

/** There is none any more: the cookie is taken away. */
export function endedReply(exchange: Exchange): Reply {
  return withCookie(exchange, null, success(200, {}));
}

function withCookie(exchange: Exchange, token: string | null, reply: Reply): Reply {
  return { ...reply, headers: { ...reply.headers, 'set-cookie': sessionCookieLine(exchange, token) } };
}
