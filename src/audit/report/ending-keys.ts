import { rfc3339 } from '../../core/clock.ts';
import type { KeyEnd, KeyRecord } from '../../core/credential.ts';

/** A key that ends soon, or has ended and left its service without another one. */
export interface EndingKey {
  readonly id: string;
  readonly service: string;
  readonly kind: string;
  /** RFC 3339. */
  readonly expires_at: string;
  readonly expired: boolean;
  /** Whether the service was given another key of this kind, then or since, that lives on: one from before may be in nobody's hands. */
  readonly has_successor: boolean;
}

type Lasting = Pick<KeyRecord, 'id' | 'service' | 'kind' | 'expiresAt'>;

const soonSeconds = 30 * 86_400;

/**
 * The one that ends first comes first. Keys that ended and were succeeded are no news. One that lies `elsewhere` is followed by none
 * of the store: whoever reads it there would find nothing.
 */
export function endingKeys(records: readonly KeyRecord[], elsewhere: readonly KeyEnd[], now: number): EndingKey[] {
  const alive = records.filter(({ revokedAt }) => revokedAt === null);
  const isSoon = <Key extends Lasting>(key: Key): key is Key & KeyEnd =>
    key.expiresAt !== null && key.expiresAt - now <= soonSeconds;
  const inStore = alive.filter(isSoon).map((key) => ({
    key,
    hasSuccessor: alive.some((other) => succeeds(other, key, now)),
  }));
  return [...inStore, ...elsewhere.filter(isSoon).map((key) => ({ key, hasSuccessor: false }))]
    .sort((a, b) => a.key.expiresAt - b.key.expiresAt)
    .map(({ key, hasSuccessor }) => ({
      id: key.id,
      service: key.service,
      kind: key.kind,
      expires_at: rfc3339(key.expiresAt),
      expired: key.expiresAt <= now,
      has_successor: hasSuccessor,
    }))
    .filter((key) => !key.expired || !key.has_successor);
}

/** Whether `other` was given to the same caller then or since, and lives on when this one has ended. */
export function succeeds(other: KeyRecord, record: KeyRecord, now: number): boolean {
  if (other.id === record.id || other.service !== record.service || other.kind !== record.kind) return false;
  if (other.createdAt < record.createdAt) return false;
  return other.expiresAt === null || other.expiresAt > Math.max(record.expiresAt ?? Infinity, now);
}
