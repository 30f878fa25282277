import { z } from 'zod';
import { addressList } from '../core/address.ts';
import { rfc3339 } from '../core/clock.ts';
import { deny, denyPrincipal, type Principal } from '../core/verdict.ts';
import type { Actor } from '../core/event.ts';
import { tokenAct } from '../keys/key-act.ts';
import type { Stack } from '../compose/stack.ts';
import { addressGroup } from '../policies/address-group.ts';
import { jsonDepth } from './body.ts';
import { ADMIN_TOKENS, KEYS_READ, type Caller } from './caller.ts';
import { addressesSchema, faultsOf, scopesSchema } from './shape.ts';
import { isRefused, refused, refusedBy, type Refused } from './refused.ts';

/** The one way to mint a session token, shared by HTTP and MCP: the same words, limits and narrowing. */
export interface MintedToken {
  /** Shown once, here. */
  readonly token: string;
  readonly token_id: string;
  /** RFC 3339. */
  readonly expires_at: string;
  readonly ttl_hours: number;
}

const hoursMax = 8760;
const metadataBytesMax = 4096;
const metadataDepthMax = 5;
const mintsPerWindow = 5;
const windowSeconds = 60;

const metadata = z
  .record(z.string(), z.json(), { error: 'must be a JSON object' })
  .refine(
    (value) => Buffer.byteLength(JSON.stringify(value)) <= metadataBytesMax,
    `must be at most ${metadataBytesMax} bytes of JSON`,
  )
  .refine(
    (value) => jsonDepth(JSON.stringify(value)) <= metadataDepthMax,
    `must be nested at most ${metadataDepthMax} levels`,
  );

/** The body of POST /auth/token and the arguments of create_auth_token. */
export const mintSchema = z.strictObject({
  ttl_hours: z
    .number({ error: 'must be a number of hours' })
    .positive({ error: 'must be more than 0' })
    .max(hoursMax, { error: `must be at most ${hoursMax}` })
    .optional()
    .describe(`Life of the token in hours, fractions allowed, at most ${hoursMax}. Default: the stack's.`),
  metadata: metadata
    .optional()
    .describe('Any JSON object that says what the token is for. No secrets: it is shown in lists.'),
  scopes: scopesSchema.optional().describe('What the token may do, for example ["embed:write"]. Default: no scopes.'),
  allowed_ips: addressesSchema
    .optional()
    .describe('Client addresses or CIDRs from which the token is accepted. Default: from anywhere the minter is.'),
  client_id: z
    .string({ error: 'must be a string' })
    .regex(/^[\x21-\x7e]{1,128}$/, { error: 'must be 1 to 128 printable ASCII characters without spaces' })
    .optional()
    .describe('Name of the client that will hold the token.'),
});

export type MintInput = z.infer<typeof mintSchema>;

/** Reads a body that may be absent. */
export function mintInput(value: unknown): MintInput | Refused {
  const parsed = mintSchema.safeParse(value === undefined ? {} : value);
  return parsed.success ? parsed.data : refused('bad_request', faultsOf(parsed.error));
}

/**
 * Mints within the caller's own bounds. The limit is taken last, so that only tokens count and only of callers who proved
 * themselves.
 */
export async function mint(
  stack: Stack,
  caller: Caller,
  actor: Actor,
  input: MintInput,
): Promise<MintedToken | Refused> {
  const bounds = caller.isAdmin ? grant(stack, input) : narrowed(stack, caller.principal, input);
  if (isRefused(bounds)) return bounds;
  const group = addressGroup(actor.from);
  const limit = await stack.store.limits.take(`mint:${group}`, mintsPerWindow, windowSeconds, stack.clock());
  if (!limit.allowed) {
    const note = `${mintsPerWindow} tokens were minted from ${group} within ${windowSeconds} s`;
    const denied = deny('rate_limited', note, {
      caller: { id: caller.principal.id, proven: true },
      retryAfter: limit.retryAfter,
    });
    return refusedBy(denied, `${mintsPerWindow} tokens a minute may be minted from one address`);
  }
  const { token, record } = await stack.tokens.mint({
    ttlSeconds: bounds.ttlHours * 3600,
    scopes: [...new Set(bounds.scopes)],
    allowedIps: bounds.allowedIps,
    clientId: input.client_id ?? null,
    metadata: input.metadata ?? {},
    createdBy: caller.principal.id,
  });
  await stack.trail.record(tokenAct('token.created', record), actor);
  return { token, token_id: record.tokenId, expires_at: rfc3339(record.expiresAt), ttl_hours: bounds.ttlHours };
}

interface Bounds {
  readonly ttlHours: number;
  readonly scopes: readonly string[];
  readonly allowedIps: readonly string[];
}

function grant(stack: Stack, input: MintInput): Bounds {
  return {
    ttlHours: input.ttl_hours ?? stack.config.tokenTtlSeconds / 3600,
    scopes: input.scopes ?? [],
    allowedIps: input.allowed_ips ?? [],
  };
}

/**
 * Minting never widens: at most the minter's scopes, time and addresses, never the right to mint, nor what a service may do as
 * itself.
 */
function narrowed(stack: Stack, minter: Principal, input: MintInput): Bounds | Refused {
  const asked = grant(stack, input);
  if (asked.scopes.includes(ADMIN_TOKENS)) return beyond(minter, `only the admin token grants ${ADMIN_TOKENS}`);
  if (asked.scopes.includes(KEYS_READ) && minter.id.startsWith('service:'))
    return beyond(
      minter,
      `a key of a service cannot grant ${KEYS_READ}: it reads that service's keys, a token everybody's`,
    );
  const missing = asked.scopes.filter((scope) => !minter.scopes.includes(scope));
  if (missing.length > 0) {
    const denied = denyPrincipal(minter, 'insufficient_scope', `it lacks ${missing.join(' ')} itself`, {
      requiredScopes: missing,
    });
    return refusedBy(denied, `you cannot grant ${missing.join(' ')}, which you do not have yourself`);
  }
  const hoursLeft = minter.expiresAt === null ? hoursMax : Math.max(0, minter.expiresAt - stack.clock()) / 3600;
  if (input.ttl_hours !== undefined && input.ttl_hours > hoursLeft)
    return beyond(minter, `ttl_hours may be at most ${hoursLeft.toFixed(2)}: your own credential ends then`);
  const allowedIps = input.allowed_ips?.length ? input.allowed_ips : (minter.addresses?.cidrs ?? []);
  const outside = minter.addresses ? allowedIps.filter((cidr) => !within(cidr, minter.addresses?.cidrs ?? [])) : [];
  if (outside.length > 0) return beyond(minter, `allowed_ips ${outside.join(', ')} lie outside your own addresses`);
  return { ttlHours: Math.min(asked.ttlHours, hoursLeft), scopes: asked.scopes, allowedIps };
}

function beyond(minter: Principal, words: string): Refused {
  return refusedBy(denyPrincipal(minter, 'not_allowed', words), words);
}

/** True when one of the ranges holds this one whole. Two halves that together would hold it do not count: rare, and refused. */
function within(cidr: string, ranges: readonly string[]): boolean {
  const [address = '', bits] = cidr.split('/');
  return ranges.some((range) => {
    const [base = '', rangeBits] = range.split('/');
    const sameFamily = base.includes(':') === address.includes(':');
    return sameFamily && bitsOf(rangeBits, base) <= bitsOf(bits, address) && addressList([range]).contains(address);
  });
}

function bitsOf(bits: string | undefined, address: string): number {
  return bits === undefined ? (address.includes(':') ? 128 : 32) : Number(bits);
}
