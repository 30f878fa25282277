import type { ServiceConfig } from '../compose/config.ts';
import type { Stack } from '../compose/stack.ts';
import { rfc3339, rfc3339OrNull } from '../core/clock.ts';
import type { KeyRecord, TokenRecord } from '../core/credential.ts';
import { denyPrincipal } from '../core/verdict.ts';
import { randomBase62 } from '../crypto/random.ts';
import { callerWith, KEYS_READ, type Caller } from './caller.ts';
import type { Exchange, Handler } from './exchange.ts';
import { exposure } from './host-check.ts';
import { COMMON_HEADERS, refusalReply, success, type Reply } from './reply.ts';
import { isRefused, refused, refusedBy, type Refused } from './refused.ts';

const waitSecondsMax = 55;
const waitersMax = 1000;
const changedTokensMax = 1000;

/** What a service outside this program needs to know, told as it changes. */
export interface KeyEndpoints {
  /** GET /auth/keys/snapshot?service=NAME&wait=SECONDS */
  readonly snapshot: Handler;
  /** GET /auth/keys/tokens/{token_hash or token_id}?service=NAME */
  readonly token: Handler;
  /** Answers all who wait, and lets nobody wait any more. */
  close(): void;
}

export function keyEndpoints(stack: Stack): KeyEndpoints {
  const changes = changeCount(stack);
  return {
    async snapshot(exchange) {
      const asked = await reader(exchange);
      if (isRefused(asked)) return refusalReply(asked);
      const wait = waitOf(exchange.query.get('wait'));
      if (wait === null) return refusalReply(refused('bad_request', 'wait is a whole number of seconds'));
      const known = versionOf(exchange.request.fields('if-none-match'));
      if (known === changes.version() && wait > 0) {
        await changes.next(wait, exchange);
        // What has changed may be the very right to ask.
        const still = await reader(exchange);
        if (isRefused(still)) return refusalReply(still);
      }
      const since = changes.since(known);
      if (since === null) return notModified(changes.version());
      return tagged(since.version, success(200, await news(stack, asked.service, since)));
    },
    async token(exchange, name) {
      const asked = await reader(exchange);
      if (isRefused(asked)) return refusalReply(asked);
      const record = await (name.length === 64 ? stack.store.tokens.byHash(name) : stack.store.tokens.get(name));
      return record ? success(200, tokenOf(record)) : refusalReply(refused('not_found', 'there is no such token'));
    },
    close: () => changes.close(),
  };
}

interface Asked extends Caller {
  readonly service: ServiceConfig;
}

/** A service asks for itself; the admin and a token with the scope for any one. */
async function reader(exchange: Exchange): Promise<Asked | Refused> {
  const exposed = exposure(exchange, 'keys are handed out over TLS, or to a peer on the same machine');
  if (exposed) return exposed;
  const caller = await callerWith(exchange, KEYS_READ);
  if (isRefused(caller)) return caller;
  const { principal } = caller;
  const own = principal.id.startsWith('service:') ? principal.id.slice('service:'.length) : null;
  const name = exchange.query.get('service') ?? own;
  if (name === null) return refused('bad_request', 'say for which service: ?service=NAME');
  if (own !== null && own !== name) {
    const words = `a key of ${own} reads the keys of ${own} only`;
    return refusedBy(denyPrincipal(principal, 'not_allowed', words), words);
  }
  const service = exchange.stack.service(name);
  return service ? { ...caller, service } : refused('no_such_service', 'the configuration names no such service');
}

function waitOf(text: string | null): number | null {
  if (text === null) return 0;
  return /^[0-9]{1,3}$/.test(text) ? Math.min(Number(text), waitSecondsMax) : null;
}

function versionOf(lines: readonly string[]): string {
  return /^"([0-9A-Za-z.]+)"$/.exec(lines[0] ?? '')?.[1] ?? '';
}

interface Since {
  readonly version: string;
  readonly keys: boolean;
  /** Ids of the tokens that changed; null when any may have. */
  readonly tokens: readonly string[] | null;
}

/** Counts what changes, keys and tokens apart, and wakes those who wait for it. */
function changeCount(stack: Stack) {
  // Of another run of the program nothing is known, so its counts mean nothing here.
  const run = randomBase62(8);
  let keys = 0;
  let tokens = 0;
  let forgotten = 0;
  let changedTokens: { readonly at: number; readonly id: string }[] = [];
  let config = stack.config;
  const waiting = new Set<() => void>();
  let closed = false;

  function wake(): void {
    for (const go of waiting) go();
  }

  const stopKeys = stack.keyring.onChange(() => {
    keys += 1;
    wake();
  });
  const stopTokens = stack.tokens.onChange((id) => {
    tokens += 1;
    if (id === null) [changedTokens, forgotten] = [[], tokens];
    else changedTokens.push({ at: tokens, id });
    if (changedTokens.length > changedTokensMax) forgotten = changedTokens.shift()?.at ?? tokens;
    wake();
  });

  function version(): string {
    // Who may call a service decides which secrets it is given.
    if (stack.config !== config) [config, keys] = [stack.config, keys + 1];
    return `${run}.${keys}.${tokens}`;
  }

  return {
    version,
    /** Null: nothing since. */
    since(known: string): Since | null {
      const now = version();
      if (known === now) return null;
      const [itsRun, itsKeys, itsTokens] = known.split('.');
      const at = Number(itsTokens);
      if (itsRun !== run) return { version: now, keys: true, tokens: null };
      const changed = at < forgotten ? null : changedTokens.filter((one) => one.at > at).map((one) => one.id);
      return { version: now, keys: Number(itsKeys) !== keys, tokens: changed };
    },
    /** Resolves at the next change, after so many seconds, or when the one who waits has gone. */
    next(seconds: number, { res }: Exchange): Promise<void> {
      if (closed || waiting.size >= waitersMax) return Promise.resolve();
      return new Promise((resolve) => {
        const go = (): void => {
          clearTimeout(timer);
          waiting.delete(go);
          res.off('close', go);
          resolve();
        };
        const timer = setTimeout(go, seconds * 1000);
        waiting.add(go);
        res.on('close', go);
      });
    },
    close() {
      closed = true;
      stopKeys();
      stopTokens();
      wake();
    },
  };
}

async function news(stack: Stack, service: ServiceConfig, { version, keys, tokens }: Since) {
  return { version, service: service.name, keys: keys ? await keysFor(stack, service) : null, tokens_changed: tokens };
}

/** Digests and public halves of all callers, so that the verdict is ours; secrets only of those whom the service names. */
async function keysFor(stack: Stack, service: ServiceConfig) {
  const [records, revocations] = await Promise.all([stack.store.keys.list(), stack.store.keys.revocations()]);
  const signers = signersOf(service);
  const withheld: string[] = [];
  const unnamed = new Set<string>();
  const mayHave = (caller: string): boolean => {
    if (signers.admits(caller) && !signers.names(caller)) unnamed.add(caller);
    return signers.names(caller);
  };
  const callers = records.flatMap((record) => {
    if (record.revokedAt !== null || (record.kind === 'hs' && !mayHave(record.service))) return [];
    try {
      return [keyOf(stack, record)];
    } catch {
      // Its master key is another one: the operator has been warned of it, and it serves nobody here either.
      withheld.push(record.id);
      return [];
    }
  });
  const shared = [];
  for (const found of stack.keyring.found()) {
    if (found.kind === 'sk' && (found.acceptedAt === null || found.acceptedAt === service.name))
      shared.push({
        credential_id: found.credentialId,
        digest: found.digest,
        service: found.service,
        accepted_at: found.acceptedAt,
      });
    // Of a file's secret nothing is kept that could be handed on.
    if (found.kind === 'hs' && mayHave(found.service)) withheld.push(found.credentialId);
  }
  const warnings = unnamed.size > 0 ? [unnamedWords(service.name, [...unnamed].sort())] : [];
  return { callers, shared, revocations, withheld, warnings };
}

function keyOf(stack: Stack, record: KeyRecord) {
  const { id, service, kind, digest, material } = record;
  return {
    id,
    service,
    kind,
    digest,
    ...(kind === 'hs' && { secret: stack.seal.open(material ?? '', record) }),
    ...(kind === 'ed25519' && { public_key: material }),
    scopes: record.scopes,
    allowed_ips: record.allowedIps,
    created_at: rfc3339(record.createdAt),
    expires_at: rfc3339OrNull(record.expiresAt),
  };
}

interface Signers {
  /** Whether the caller's signature would get through some route. */
  admits(caller: string): boolean;
  /** Whether some route says so by the caller's name. */
  names(caller: string): boolean;
}

/**
 * Whoever has an HMAC secret can sign with it everywhere. So a service that admits every caller is given none of them: only
 * by naming a caller does the operator say that this service may act as that one.
 */
function signersOf({ accept, rules }: ServiceConfig): Signers {
  if (!accept.includes('service-signature') && !accept.includes('http-signature'))
    return { admits: () => false, names: () => false };
  const asking = rules.filter(({ access }) => access !== 'public' && access !== 'operator');
  // Paths without a rule admit every caller.
  const anybody = !rules.some(({ path }) => path === '/*') || asking.some(({ callers }) => callers === null);
  const named = new Set(asking.flatMap(({ callers }) => callers ?? []).map((name) => name.replace(/^service:/, '')));
  return { admits: (caller) => anybody || named.has(caller), names: (caller) => named.has(caller) };
}

function unnamedWords(service: string, callers: readonly string[]): string {
  const names = callers.join(', ');
  const [what, whose] = callers.length === 1 ? ['secret', 'its'] : ['secrets', 'their'];
  const are = callers.length === 1 ? 'is' : 'are';
  return (
    `the HMAC ${what} of ${names} ${are} withheld, so ${whose} signatures count for nothing at ${service}: a secret is handed ` +
    `out to services that name its caller; to accept them write callers: [${names}] at a route of ${service}`
  );
}

function tokenOf(record: TokenRecord) {
  return {
    token_id: record.tokenId,
    token_hash: record.tokenHash,
    created_at: rfc3339(record.createdAt),
    expires_at: rfc3339(record.expiresAt),
    revoked_at: rfc3339OrNull(record.revokedAt),
    scopes: record.scopes,
    allowed_ips: record.allowedIps,
    client_id: record.clientId,
  };
}

function tagged(version: string, reply: Reply): Reply {
  return { ...reply, headers: { ...reply.headers, etag: `"${version}"` } };
}

function notModified(version: string): Reply {
  return { status: 304, headers: { ...COMMON_HEADERS, etag: `"${version}"` }, body: '' };
}
