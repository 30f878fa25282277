import { lifeFault, type KeyRecord } from '../core/credential.ts';
import { denyPrincipal, type Principal } from '../core/verdict.ts';
import { sha256Hex } from '../crypto/digest.ts';
import type { Stack } from '../compose/stack.ts';
import { actorOf } from './actor.ts';
import { bodyText } from './body.ts';
import { ADMIN_TOKENS, callerOf, type Caller } from './caller.ts';
import type { Exchange } from './exchange.ts';
import { json, refusalReply, type Reply } from './reply.ts';
import { isRefused, refused, refusedBy, type Refused } from './refused.ts';

/** A credential of the stack as both endpoints see it. */
interface Known {
  readonly kind: 'session-token' | 'api-key';
  readonly principal: Principal;
  readonly live: boolean;
  /** Dead by revocation, whatever else ended it. */
  readonly revoked: boolean;
  readonly clientId: string | null;
  readonly issuedAt: number | null;
  revoke(): Promise<unknown>;
}

/** POST /auth/introspect, RFC 7662. Whoever may not know of a credential learns what it would learn of an unknown one. */
export async function introspect(exchange: Exchange): Promise<Reply> {
  const asked = await question(exchange);
  if (isRefused(asked)) return refusalReply(asked);
  const known = await find(exchange.stack, asked.token);
  if (!known?.live || !mayAsk(asked.caller, known)) return json(200, { active: false });
  const { principal, clientId, issuedAt } = known;
  return json(200, {
    active: true,
    scope: principal.scopes.join(' '),
    ...(clientId === null ? {} : { client_id: clientId }),
    token_type: 'Bearer',
    ...(principal.expiresAt === null ? {} : { exp: Math.floor(principal.expiresAt) }),
    ...(issuedAt === null ? {} : { iat: Math.floor(issuedAt) }),
    sub: principal.id,
    jti: principal.credentialId,
  });
}

/** POST /auth/revoke, RFC 7009: unknown credentials are revoked enough. */
export async function revoke(exchange: Exchange): Promise<Reply> {
  const asked = await question(exchange);
  if (isRefused(asked)) return refusalReply(asked);
  const known = await find(exchange.stack, asked.token);
  if (!known) return json(200, {});
  if (!mayRevoke(asked.caller, known)) {
    const denied = denyPrincipal(
      asked.caller.principal,
      'not_allowed',
      'only its owner or the admin may revoke a credential',
    );
    return refusalReply(refusedBy(denied, 'only its owner or the admin may revoke a credential'));
  }
  await known.revoke();
  const { kind, principal } = known;
  const type = kind === 'session-token' ? 'token.revoked' : 'key.revoked';
  const act = { type, subject: principal.credentialId, detail: { principal: principal.id } } as const;
  // What was dead before is no event: nobody fills the audit by saying the same again.
  if (!known.revoked) await exchange.stack.trail.record(act, actorOf(exchange, asked.caller));
  return json(200, {});
}

interface Question {
  readonly caller: Caller;
  readonly token: string;
}

async function question(exchange: Exchange): Promise<Question | Refused> {
  const asker = await callerOf(exchange);
  if (isRefused(asker)) return asker;
  const [type = ''] = exchange.request.fields('content-type');
  if (type !== '' && !/^application\/x-www-form-urlencoded\s*(?:;|$)/i.test(type))
    return refused('bad_request', 'send the token as application/x-www-form-urlencoded');
  const body = await bodyText(exchange.req, exchange.res);
  if (!body.ok) return refused(body.reason, body.words);
  // Judged anew: the body may have taken its time, and the asker may have been revoked meanwhile.
  const caller = await callerOf(exchange);
  if (isRefused(caller)) return caller;
  const tokens = new URLSearchParams(body.text).getAll('token');
  const [token = ''] = tokens;
  if (tokens.length !== 1 || token === '') return refused('bad_request', 'send exactly one form field "token"');
  return { caller, token };
}

/** The admin knows all, who administers tokens knows tokens; anybody else only the very credential it came with. */
function mayAsk({ isAdmin, principal }: Caller, known: Known): boolean {
  if (isAdmin || (known.kind === 'session-token' && principal.scopes.includes(ADMIN_TOKENS))) return true;
  return principal.id === known.principal.id && principal.credentialId === known.principal.credentialId;
}

/** A called service's shared key belongs to no one of its holders: none of them may take it from the others. */
function mayRevoke(caller: Caller, known: Known): boolean {
  return mayAsk(caller, known) && (caller.isAdmin || !known.principal.id.startsWith('holder:'));
}

async function find(stack: Stack, token: string): Promise<Known | null> {
  const digest = sha256Hex(token);
  const now = stack.clock();
  const session = await stack.tokens.find(digest);
  if (session) {
    const record = await stack.tokens.byToken(token);
    return {
      kind: 'session-token',
      principal: session.principal,
      live: lifeFault(session, now) === null,
      revoked: record === null || record.revokedAt !== null,
      clientId: record?.clientId ?? null,
      issuedAt: record?.createdAt ?? null,
      revoke: () => (record ? stack.tokens.revoke(record.tokenId) : Promise.resolve(null)),
    };
  }
  const key = stack.keyring.apiKey(digest);
  const record = await stack.store.keys.byDigest(digest);
  if (!key && !record) return null;
  return {
    kind: 'api-key',
    principal: key?.principal ?? signer(record as KeyRecord),
    // An HMAC secret is never presented, so as a token it is not active; it can be revoked all the same.
    live: key !== undefined && lifeFault(key, now) === null,
    revoked: key === undefined && record?.revokedAt !== null,
    clientId: null,
    issuedAt: record?.createdAt ?? null,
    // A key that lies in a file is in no record of ours; its digest is revoked all the same.
    revoke: () => (record ? stack.store.keys.revoke(record.id, now) : stack.store.keys.revokeDigest(digest, now)),
  };
}

function signer({ id, service, scopes, expiresAt }: KeyRecord): Principal {
  return {
    id: `service:${service}`,
    scheme: 'service-signature',
    credentialId: id,
    scopes,
    expiresAt,
    addresses: null,
  };
}
