import { cidrFault } from '../core/address.ts';
import type { KeyRecord } from '../core/credential.ts';
import type { Store } from '../core/store.ts';
import { sha256Hex } from '../crypto/digest.ts';
import { lastFour, mintKey } from '../crypto/key-format.ts';
import type { Seal } from '../crypto/seal.ts';
import { KeyError } from './key-error.ts';
import { serviceIdFault } from './service-id.ts';

export interface KeyOrder {
  /** The service that will prove itself with the key. */
  readonly service: string;
  readonly kind: 'sk' | 'hs';
  /** Epoch seconds; null for no end. */
  readonly expiresAt: number | null;
  readonly scopes?: readonly string[];
  /** Addresses or CIDRs; empty for anywhere. */
  readonly allowedIps?: readonly string[];
  /** Epoch seconds. */
  readonly now: number;
}

/** The key is in the answer and nowhere else: the store has its digest, and for hs the sealed secret. Throws a KeyError. */
export async function createKey(
  store: Store,
  seal: Seal,
  order: KeyOrder,
): Promise<{ readonly record: KeyRecord; readonly key: string }> {
  checkOrder(order);
  const { key, id } = mintKey(order.kind);
  const record = recordOf(seal, order, id, key, false);
  await store.keys.insert(record);
  return { record, key };
}

export function checkOrder(order: KeyOrder): void {
  const fault = serviceIdFault(order.service);
  if (fault) throw new KeyError('invalid_service', fault);
  if (order.expiresAt !== null && !(order.expiresAt > order.now))
    throw new KeyError('invalid_option', 'the key would expire before it is used: choose an end in the future');
  for (const cidr of order.allowedIps ?? []) {
    const wrong = cidrFault(cidr);
    if (wrong) throw new KeyError('invalid_option', wrong);
  }
}

export function recordOf(seal: Seal, order: KeyOrder, id: string, secret: string, imported: boolean): KeyRecord {
  const { service, kind } = order;
  return {
    id,
    service,
    kind,
    digest: sha256Hex(secret),
    material: kind === 'hs' ? seal.seal(secret, { id, service, kind }) : null,
    lastFour: lastFour(secret),
    imported,
    scopes: [...(order.scopes ?? [])],
    allowedIps: [...(order.allowedIps ?? [])],
    createdAt: order.now,
    expiresAt: order.expiresAt,
    revokedAt: null,
  };
}
