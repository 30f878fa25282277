import { cidrFault } from '../core/address.ts';
import { scopePattern, scopeRule } from '../core/scope.ts';
import type { KeyKind, KeyRecord } from '../core/credential.ts';
import type { Store } from '../core/store.ts';
import { sha256Hex } from '../crypto/digest.ts';
import { ed25519Pair } from '../crypto/ed25519.ts';
import { lastFour, mintId, mintKey } from '../crypto/key-format.ts';
import type { Seal } from '../crypto/seal.ts';
import { KeyError } from './key-error.ts';
import { requireKnownSeal } from './known-seal.ts';
import { serviceIdFault } from './service-id.ts';

/** Kinds whose secret the caller presents or signs with, and we have had in hand. */
export type SecretKind = Exclude<KeyKind, 'ed25519'>;

export interface KeyOrder {
  /** The service that will prove itself with the key. */
  readonly service: string;
  readonly kind: KeyKind;
  /** Epoch seconds; null for no end. */
  readonly expiresAt: number | null;
  readonly scopes?: readonly string[];
  /** Addresses or CIDRs; empty for anywhere. */
  readonly allowedIps?: readonly string[];
  /** Epoch seconds. */
  readonly now: number;
}

/**
 * The key is in the answer and nowhere else: the store has its digest, for hs the sealed secret, and of a key pair the public
 * half; `key` is then the private half, as PEM (PKCS #8). Throws a KeyError, and what requireKnownSeal does.
 */
export async function createKey(
  store: Store,
  seal: Seal,
  order: KeyOrder,
): Promise<{ readonly record: KeyRecord; readonly key: string }> {
  checkOrder(order);
  await requireKnownSeal(store, seal, order.kind, order.now);
  const made = await newKey(seal, order);
  await store.keys.insert(made.record);
  return made;
}

/** The same, in no store yet. Throws a KeyError. */
export async function newKey(
  seal: Seal,
  order: KeyOrder,
): Promise<{ readonly record: KeyRecord; readonly key: string }> {
  checkOrder(order);
  return order.kind === 'ed25519' ? newPair(order) : newSecret(seal, order, order.kind);
}

async function newPair(order: KeyOrder): Promise<{ record: KeyRecord; key: string }> {
  const { privatePem, publicPem } = await ed25519Pair();
  return { record: recordOfPublicKey(order, publicPem, false), key: privatePem };
}

function newSecret(seal: Seal, order: KeyOrder, kind: SecretKind): { record: KeyRecord; key: string } {
  const { key, id } = mintKey(kind);
  return { record: recordOfSecret(seal, { ...order, kind }, id, key, false), key };
}

export function checkOrder(order: KeyOrder): void {
  const fault = serviceIdFault(order.service);
  if (fault) throw new KeyError('invalid_service', fault);
  if (order.expiresAt !== null && !(order.expiresAt > order.now))
    throw new KeyError('invalid_option', 'the key would expire before it is used: choose an end in the future');
  if ((order.scopes ?? []).some((scope) => !scopePattern.test(scope))) throw new KeyError('invalid_option', scopeRule);
  for (const cidr of order.allowedIps ?? []) {
    const wrong = cidrFault(cidr);
    if (wrong) throw new KeyError('invalid_option', wrong);
  }
}

export function recordOfSecret(
  seal: Seal,
  order: KeyOrder & { readonly kind: SecretKind },
  id: string,
  secret: string,
  imported: boolean,
): KeyRecord {
  const { service, kind } = order;
  return {
    ...commonOf(order),
    id,
    kind,
    digest: sha256Hex(secret),
    material: kind === 'hs' ? seal.seal(secret, { id, service, kind }) : null,
    lastFour: lastFour(secret),
    imported,
  };
}

/** The public half stands in the clear: whoever reads it can verify, and that is all. */
export function recordOfPublicKey(order: KeyOrder, publicPem: string, imported: boolean): KeyRecord {
  const body = publicPem.replace(/-----[A-Z ]+-----|[\s=]/g, '');
  return {
    ...commonOf(order),
    id: mintId(),
    kind: 'ed25519',
    digest: sha256Hex(publicPem),
    material: publicPem,
    lastFour: lastFour(body),
    imported,
  };
}

function commonOf(order: KeyOrder) {
  const { service, scopes = [], allowedIps = [], now, expiresAt } = order;
  return {
    service,
    scopes: [...scopes],
    allowedIps: [...allowedIps],
    createdAt: now,
    expiresAt,
    revokedAt: null,
    replaces: null,
    pending: false,
  };
}
