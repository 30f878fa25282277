import { rfc3339 } from '../core/clock.ts';
import type { TokenRecord } from '../core/credential.ts';
import type { Actor } from '../core/event.ts';
import type { Stack } from '../compose/stack.ts';
import { tokenAct } from '../keys/key-act.ts';
import { actorOf } from './actor.ts';
import { bodyJson } from './body.ts';
import { ADMIN_TOKENS, callerWith, withAdminWords, type Caller } from './caller.ts';
import type { Exchange } from './exchange.ts';
import { mint, mintInput } from './mint.ts';
import { refusalReply, success, type Reply } from './reply.ts';
import { isRefused, refused, type Refused } from './refused.ts';

/** As many as one answer lists; more than that is said to be cut. */
const listMax = 1000;

/** POST /auth/token. Who is asking comes before what is asked: a stranger's body is never read. */
export async function createToken(exchange: Exchange): Promise<Reply> {
  const asker = await administrator(exchange);
  if (isRefused(asker)) return refusalReply(asker);
  const body = await bodyJson(exchange.req, exchange.res);
  if (!body.ok) return refusalReply(refused(body.reason, body.words));
  // Judged anew: the body may have taken its time, and whoever was revoked meanwhile mints nothing more.
  const caller = await administrator(exchange);
  if (isRefused(caller)) return refusalReply(caller);
  const input = mintInput(body.value);
  if (isRefused(input)) return refusalReply(input);
  const minted = await mint(exchange.stack, caller, actorOf(exchange, caller), input);
  return isRefused(minted) ? refusalReply(minted) : success(201, minted);
}

/** GET /auth/tokens. */
export async function listTokens(exchange: Exchange): Promise<Reply> {
  const caller = await administrator(exchange);
  return isRefused(caller)
    ? refusalReply(caller)
    : success(200, await activeTokens(exchange.stack, soughtIn(exchange)));
}

/** DELETE /auth/tokens/{token_id}. */
export async function deleteToken(exchange: Exchange, tokenId: string): Promise<Reply> {
  const caller = await administrator(exchange);
  if (isRefused(caller)) return refusalReply(caller);
  const revoked = await revokeToken(exchange.stack, tokenId, actorOf(exchange, caller));
  return isRefused(revoked) ? refusalReply(revoked) : success(200, revoked);
}

function administrator(exchange: Exchange): Promise<Caller | Refused> {
  return callerWith(exchange, ADMIN_TOKENS).then(withAdminWords);
}

export interface TokenList {
  readonly tokens: readonly TokenLine[];
  readonly count: number;
  /** True when there are more than fit into one answer. */
  readonly truncated: boolean;
}

export type TokenLine = ReturnType<typeof tokenLine>;

export const soughtIn = ({ query }: Exchange): string => query.get('find') ?? '';

/** With `find`, those with these words in their id, client, scopes or maker. */
export async function activeTokens(stack: Stack, find = ''): Promise<TokenList> {
  const records = await (find === '' ? stack.tokens.listActive(listMax + 1) : stack.tokens.matching(find));
  const tokens = records.slice(0, listMax).map(tokenLine);
  return { tokens, count: tokens.length, truncated: records.length > listMax };
}

export interface RevokedToken {
  readonly token_id: string;
  readonly revoked_at: string;
  /** How many tokens it minted that are still alive, and what to do; left out when there are none. */
  readonly live_minted?: number;
  readonly advice?: string;
}

/** What a token minted does not end with it: others may depend on those by now. But whoever revokes it should know. */
export async function revokeToken(stack: Stack, tokenId: string, actor: Actor): Promise<RevokedToken | Refused> {
  const id = tokenId.toLowerCase();
  const alive = (await stack.store.tokens.get(id))?.revokedAt === null;
  const record = await stack.tokens.revoke(id);
  if (!record) return refused('not_found', 'no token has this token_id');
  // What changes nothing is no event: nobody fills the audit by saying the same again.
  if (alive) await stack.trail.record(tokenAct('token.revoked', record), actor);
  const revoked = { token_id: record.tokenId, revoked_at: rfc3339(record.revokedAt ?? stack.clock()) };
  const minter = `token:${record.tokenId}`;
  const minted = record.scopes.includes(ADMIN_TOKENS) ? await stack.tokens.mintedBy(minter) : [];
  if (minted.length === 0) return revoked;
  const advice = `it minted tokens that are still alive (created_by ${minter}); if it leaked, revoke them too: each by its token_id, or all by countersign tokens revoke --minted-by ${record.tokenId}`;
  return { ...revoked, live_minted: minted.length, advice };
}

/** Neither the token nor its hash. */
function tokenLine(record: TokenRecord) {
  return {
    token_id: record.tokenId,
    created_at: rfc3339(record.createdAt),
    expires_at: rfc3339(record.expiresAt),
    scopes: [...record.scopes],
    allowed_ips: [...record.allowedIps],
    client_id: record.clientId,
    metadata: record.metadata,
    created_by: record.createdBy,
  };
}
