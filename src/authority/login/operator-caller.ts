import { denyPrincipal, type Principal } from '../../core/verdict.ts';
import { equalText } from '../../crypto/compare.ts';
import { sha256Hex } from '../../crypto/digest.ts';
import type { FoundSession, OpenSession } from '../../operators/sessions.ts';
import { adminOf, type Caller } from '../caller.ts';
import type { Exchange } from '../exchange.ts';
import { exposure } from '../host-check.ts';
import type { Operators } from './operators.ts';
import { sessionCookie } from './session-cookie.ts';
import { isRefused, refused, refusedBy, unconfirmed, type Refused } from '../refused.ts';

/** What an endpoint asks of a session; the admin token may everything. */
export type Need = 'read' | 'act' | 'confirmed';

const CSRF_HEADER = 'x-countersign-csrf';

export interface OperatorCaller extends Caller {
  /** Null: a script with the admin token. */
  readonly session: OpenSession | null;
}

/** Who acts on the operators' API: whoever shows a credential as a script does, else an operator by the session. */
export async function operatorOf(exchange: Exchange, operators: Operators): Promise<OperatorCaller | Refused> {
  const { request } = exchange;
  const isScript = request.fields('authorization').length > 0 || request.fields('x-api-key').length > 0;
  if (isScript || sessionCookie(exchange) === null) {
    const caller = await adminOf(exchange);
    return isRefused(caller) ? caller : { ...caller, session: null };
  }
  const session = await sessionOf(exchange, operators);
  if (isRefused(session)) return session;
  return { principal: principalOf(session), isAdmin: session.account.role === 'operator', session };
}

/**
 * The session of a page: the cookie, and what else the page was given. Reading asks for both, too, since a browser sends the cookie to
 * services on other ports of this machine.
 */
export async function sessionOf(exchange: Exchange, operators: Operators): Promise<OpenSession | Refused> {
  const fault = pageFault(exchange);
  if (fault) return fault;
  const token = sessionCookie(exchange);
  const session = token === null ? null : await operators.sessions.find(token);
  if (!session) return refused('missing_credentials', 'log in first');
  const [csrf = '', ...others] = exchange.request.fields(CSRF_HEADER);
  if (others.length === 0 && equalText(sha256Hex(csrf), session.csrfDigest)) return { ...session, csrf };
  if (exchange.method === 'GET') return refused('missing_credentials', 'log in first');
  const words = `send ${CSRF_HEADER} with the csrf of the session`;
  return refusedBy(denyPrincipal(principalOf(session), 'not_allowed', words), words);
}

/**
 * Cookies know no ports, and SameSite neither: a page of a service on this machine must not act in an operator's place, nor
 * log one in as somebody else.
 */
export function pageFault(exchange: Exchange): Refused | null {
  const exposed = exposure(exchange, 'operators log in over TLS, or on the same machine');
  if (exposed) return exposed;
  const { request } = exchange;
  const sites = request.fields('sec-fetch-site');
  const isOwn = request.fields('origin').every((origin) => origin.replace(/^https?:\/\//, '') === request.authority);
  if (isOwn && sites.every((site) => site === 'same-origin' || site === 'none')) return null;
  return refused('not_allowed', 'the request comes from a page of another origin');
}

/** Why a caller may not; null when nothing stands against it. */
export function needFault({ principal, session }: OperatorCaller, need: Need, now: number): Refused | null {
  if (session === null || need === 'read') return null;
  if (session.account.role !== 'operator') {
    const words = 'a viewer reads; this needs the role operator';
    return refusedBy(denyPrincipal(principal, 'not_allowed', words), words);
  }
  return need === 'confirmed' ? confirmFault(session, now) : null;
}

/** Asks for the password once more where it was shown too long ago. */
export function confirmFault(session: OpenSession, now: number): Refused | null {
  if (now < session.confirmedUntil) return null;
  const words = 'show your password once more';
  return unconfirmed(denyPrincipal(principalOf(session), 'not_allowed', words), words);
}

function principalOf({ account, token, expiresAt }: FoundSession): Principal {
  return {
    id: `operator:${account.name}`,
    scheme: 'operator-session',
    credentialId: sha256Hex(token).slice(0, 16),
    scopes: [],
    expiresAt,
    addresses: null,
  };
}
