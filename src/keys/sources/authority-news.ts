import { z } from 'zod';
import { cidrFault } from '../../core/address.ts';
import type { KeyRecord, TokenRecord } from '../../core/credential.ts';
import { sha256Hex } from '../../crypto/digest.ts';
import { ed25519PublicKey } from '../../crypto/ed25519.ts';
import { hmacSha256 } from '../../crypto/hmac.ts';
import type { FoundKey } from './key-source.ts';

/** What the authority says (docs/http-api.md). Members that are unknown here are of a later version, and are left out. */

const time = z.iso.datetime().transform((text) => Date.parse(text) / 1000);
const digest = z.string().regex(/^[0-9a-f]{64}$/);
const texts = z.array(z.string());

const callerShape = z.object({
  id: z.string(),
  service: z.string(),
  kind: z.enum(['sk', 'hs', 'ed25519']),
  digest,
  secret: z.string().optional(),
  public_key: z.string().optional(),
  scopes: texts,
  allowed_ips: texts,
  created_at: time,
  expires_at: time.nullable(),
});

const sharedShape = z.object({
  credential_id: z.string(),
  digest,
  service: z.string(),
  accepted_at: z.string().nullable(),
});

export const newsShape = z.object({
  data: z.object({
    version: z.string(),
    keys: z
      .object({
        callers: z.array(callerShape),
        shared: z.array(sharedShape),
        revocations: z.array(digest),
        withheld: texts,
        // An earlier version says none.
        warnings: texts.default([]),
      })
      .nullable(),
    tokens_changed: texts.nullable(),
  }),
});

export type KeysNews = z.infer<typeof newsShape>['data'];

export const tokenShape = z.object({
  data: z
    .object({
      token_id: z.string(),
      token_hash: digest,
      created_at: time,
      expires_at: time,
      revoked_at: time.nullable(),
      scopes: texts,
      allowed_ips: texts,
      client_id: z.string().nullable(),
    })
    .transform((token): TokenRecord => ({
      tokenId: token.token_id,
      tokenHash: token.token_hash,
      createdAt: token.created_at,
      expiresAt: token.expires_at,
      revokedAt: token.revoked_at,
      scopes: token.scopes,
      allowedIps: token.allowed_ips,
      clientId: token.client_id,
      metadata: {},
      createdBy: '',
    })),
});

/** One key that cannot be used must not take the others with it. */
export function foundIn(keys: NonNullable<KeysNews['keys']>): { found: FoundKey[]; faults: string[] } {
  const found: FoundKey[] = [];
  const faults: string[] = [];
  // Newest first, as a service's keys are tried.
  for (const caller of keys.callers.toSorted((a, b) => b.created_at - a.created_at)) {
    const fault = faultOf(caller);
    if (fault) faults.push(`key ${caller.id} (${caller.service}) is not served: ${fault}`);
    else found.push(foundCaller(caller));
  }
  for (const { credential_id: credentialId, accepted_at: acceptedAt, ...rest } of keys.shared)
    found.push({ kind: 'sk', credentialId, acceptedAt, ...rest });
  return { found, faults };
}

function faultOf(caller: z.infer<typeof callerShape>): string | null {
  const wrong = caller.allowed_ips.map(cidrFault).find((fault) => fault !== null);
  if (wrong) return wrong;
  if (caller.kind === 'sk') return null;
  if (caller.kind === 'hs')
    return sha256Hex(caller.secret ?? '') === caller.digest ? null : 'its secret is another one';
  try {
    ed25519PublicKey(caller.public_key ?? '');
    return null;
  } catch {
    return 'its public key cannot be read';
  }
}

function foundCaller(caller: z.infer<typeof callerShape>): FoundKey {
  const { id, service, kind } = caller;
  const record: KeyRecord = {
    id,
    service,
    kind,
    digest: caller.digest,
    material: caller.public_key ?? null,
    lastFour: '',
    imported: false,
    scopes: caller.scopes,
    allowedIps: caller.allowed_ips,
    createdAt: caller.created_at,
    expiresAt: caller.expires_at,
    revokedAt: null,
    replaces: null,
    pending: false,
  };
  const key = caller.secret === undefined ? null : hmacSha256(Buffer.from(caller.secret));
  return { kind: 'record', credentialId: id, digest: caller.digest, service, record, key };
}
