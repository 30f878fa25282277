import type { StackConfig } from '../../../compose/config.ts';
import { rfc3339, rfc3339OrNull, systemClock } from '../../../core/clock.ts';
import { lifeFault, type TokenRecord } from '../../../core/credential.ts';
import { printable } from '../../../core/text/printable.ts';
import { mintedKind } from '../../../crypto/key-format.ts';
import { revokeTokens } from '../../../keys/tokens/revoke-tokens.ts';
import { tokenAct } from '../../../keys/key-act.ts';
import { tokens, type Tokens } from '../../../keys/tokens/tokens.ts';
import type { Invocation } from '../../command.ts';
import { durationSeconds, inWords } from '../../duration.ts';
import { EXIT, refused, usage } from '../../failure.ts';
import { columns } from '../../output.ts';
import { secretFromStdin } from '../../secret-input.ts';
import { atUrgentWork, atWork, type Workplace } from '../../workplace.ts';
import { addresses, scopesOf } from '../keys/keys.ts';

type Work = (life: Tokens, config: StackConfig, record: Workplace['record']) => Promise<number>;

async function withTokens(invocation: Invocation, work: Work, at = atUrgentWork): Promise<number> {
  return at(invocation, async ({ config, store, record }) => {
    const life = tokens({ store, clock: systemClock });
    try {
      return await work(life, config, record);
    } finally {
      life.close();
    }
  });
}

export async function tokensCreate(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  const ttlText = invocation.text('ttl');
  const ttl = ttlText === null ? null : durationSeconds(ttlText, 'ttl');
  const scopes = scopesOf(invocation);
  const allowedIps = addresses(invocation);
  const clientId = clientOption(invocation);
  const mint: Work = async (life, config, taken) => {
    const ttlSeconds = ttl ?? config.tokenTtlSeconds;
    const ttlHours = ttlSeconds / 3600;
    if (invocation.dryRun) {
      if (invocation.json) out.json({ dry_run: true, ttl_hours: ttlHours });
      else out.line(`would create  a token for ${inWords(ttlSeconds)}`);
      return EXIT.done;
    }
    const { token, record } = await life.mint({
      ttlSeconds,
      scopes,
      allowedIps,
      clientId,
      metadata: {},
      createdBy: 'operator:cli',
    });
    await taken(tokenAct('token.created', record));
    if (invocation.json) {
      out.json({ token, token_id: record.tokenId, expires_at: rfc3339(record.expiresAt), ttl_hours: ttlHours });
      return EXIT.done;
    }
    out.line(token);
    out.talk(
      `Made token ${record.tokenId}, until ${rfc3339(record.expiresAt)} (${inWords(ttlSeconds)}). It is shown this once.`,
    );
    out.talk('Its holder sends it as `Authorization: Bearer …`.');
    return EXIT.done;
  };
  return withTokens(invocation, mint, atWork);
}

export async function tokensList(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  const limit = countOption(invocation, 'limit', 100);
  return withTokens(invocation, async (life) => {
    const records = await life.listActive(limit);
    if (invocation.json) {
      out.json(records.map((record) => shown(record)));
      return EXIT.done;
    }
    if (records.length === 0) {
      out.talk('There are no active tokens. Make one: countersign tokens create');
      return EXIT.done;
    }
    const now = systemClock();
    const rows = records.map((record) => [
      record.tokenId,
      record.clientId ?? '',
      rfc3339(record.createdAt),
      record.createdBy,
      `in ${inWords(record.expiresAt - now)}`,
      record.scopes.join(' '),
    ]);
    for (const line of columns(['TOKEN_ID', 'CLIENT', 'CREATED', 'BY', 'ENDS', 'SCOPES'], rows, out)) out.line(line);
    if (records.length === limit) out.talk(`The newest ${limit} are shown; more with --limit.`);
    return EXIT.done;
  });
}

export async function tokensShow(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  return withTokens(invocation, async (life) => {
    const record = await named(invocation, life);
    const view = shown(record);
    if (invocation.json) out.json(view);
    else for (const [name, value] of Object.entries(view)) out.line(`${name.padEnd(12)}  ${printable(asText(value))}`);
    return EXIT.done;
  });
}

export async function tokensRevoke(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  const many = severalOption(invocation);
  if (many !== null) return revokeSeveral(invocation, many);
  return withTokens(invocation, async (life, _, taken) => {
    const record = await named(invocation, life);
    if (invocation.dryRun) {
      if (invocation.json) out.json({ dry_run: true, token_id: record.tokenId });
      else out.line(`would revoke  token ${record.tokenId}`);
      return EXIT.done;
    }
    const already = record.revokedAt !== null;
    const revoked = await life.revoke(record.tokenId);
    if (!revoked) throw refused(`token ${record.tokenId} is gone from the store`);
    // What changes nothing is no event.
    if (!already) await taken(tokenAct('token.revoked', revoked));
    const minted = (await life.mintedBy(`token:${revoked.tokenId}`)).length;
    if (invocation.json) out.json({ ...shown(revoked), live_minted: minted });
    else out.line(`${already ? 'was revoked already' : 'revoked'}  token ${revoked.tokenId}`);
    if (minted > 0) {
      const them = minted === 1 ? '1 token that is still alive' : `${minted} tokens that are still alive`;
      out.talk(`It minted ${them}. If it leaked: countersign tokens revoke --minted-by ${revoked.tokenId}`);
    }
    return EXIT.done;
  });
}

interface Several {
  readonly find: (life: Tokens) => Promise<TokenRecord[]>;
  /** 'that aidb minted' */
  readonly words: string;
}

/** All live tokens of one minter, what a leaked token or key with admin:tokens may have left behind, or of one client. */
async function revokeSeveral(invocation: Invocation, { find, words }: Several): Promise<number> {
  const { out } = invocation;
  return withTokens(invocation, async (life, _, taken) => {
    const live = await find(life);
    const ended = invocation.dryRun ? live : await revokeTokens(life, live, taken);
    if (invocation.json) {
      out.json(ended.map((record) => ({ ...(invocation.dryRun && { dry_run: true }), ...shown(record) })));
      return EXIT.done;
    }
    for (const { tokenId } of ended) out.line(`${invocation.dryRun ? 'would revoke' : 'revoked'}  token ${tokenId}`);
    if (ended.length === 0) out.talk(`No token ${words} is alive.`);
    return EXIT.done;
  });
}

function severalOption(invocation: Invocation): Several | null {
  const [minter, client] = [invocation.text('minted-by'), clientOption(invocation)];
  if (minter === null && client === null) return null;
  if (invocation.positionals.length > 0 || (minter !== null && client !== null))
    throw usage('give an ID, --minted-by or --client, one of them');
  if (client !== null) return { find: (life) => life.madeFor(client), words: `of client ${client}` };
  // A token_id, or a principal such as service:aidb as `tokens list` shows it below BY.
  const id = minter?.includes(':') === true ? minter : `token:${minter?.toLowerCase()}`;
  return { find: (life) => life.mintedBy(id), words: `that ${id} minted` };
}

function clientOption(invocation: Invocation): string | null {
  const client = invocation.text('client');
  if (client !== null && !/^[\x21-\x7e]{1,128}$/.test(client))
    throw usage('--client is 1 to 128 printable ASCII characters without spaces');
  return client;
}

/** By the id that was given, else by the token on standard input. */
async function named(invocation: Invocation, life: Tokens): Promise<TokenRecord> {
  const [id] = invocation.positionals;
  if (id !== undefined) {
    const record = await life.get(id);
    if (!record) throw refused(`there is no token with the id "${id}"`, 'See `countersign tokens list`.');
    return record;
  }
  const token = await secretFromStdin(invocation, 'the token');
  const record = await life.byToken(token);
  if (record) return record;
  const kind = mintedKind(token);
  const hint = kind === 'sk' || kind === 'hs' ? 'This is a key of a service: use `countersign keys`.' : null;
  throw refused('the token on standard input is not in the store', hint);
}

function shown(record: TokenRecord): Record<string, unknown> {
  return {
    token_id: record.tokenId,
    state: lifeFault({ expiresAt: record.expiresAt, revoked: record.revokedAt !== null }, systemClock()) ?? 'active',
    client_id: record.clientId,
    created_at: rfc3339(record.createdAt),
    created_by: record.createdBy,
    expires_at: rfc3339(record.expiresAt),
    revoked_at: rfc3339OrNull(record.revokedAt),
    scopes: record.scopes,
    allowed_ips: record.allowedIps,
    metadata: record.metadata,
  };
}

function asText(value: unknown): string {
  if (value === null) return '-';
  if (Array.isArray(value)) return value.length === 0 ? '-' : value.join(' ');
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** A count from 1 to a million. */
export function countOption(invocation: Invocation, option: string, otherwise: number): number {
  const text = invocation.text(option);
  if (text === null) return otherwise;
  const count = /^[0-9]{1,7}$/.test(text) ? Number(text) : 0;
  if (count < 1 || count > 1_000_000) throw usage(`--${option} is a number from 1 to 1000000, not "${text}"`);
  return count;
}
