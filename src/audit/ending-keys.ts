import { rfc3339 } from '../core/clock.ts';
import type { KeyRecord } from '../core/credential.ts';

/** A key of the store that ends soon, or has ended and left its service without another one. */
export interface EndingKey {
  readonly id: string;
  readonly service: string;
  readonly kind: string;
  /** RFC 3339. */
  readonly expires_at: string;
  readonly expired: boolean;
  /** Whether the service has another key of this kind that lives on. */
  readonly has_successor: boolean;
}

const soonSeconds = 30 * 86_400;

/** The one that ends first comes first. Keys that ended and were succeeded are no news. */
export function endingKeys(records: readonly KeyRecord[], now: number): EndingKey[] {
  const alive = records.filter(({ revokedAt }) => revokedAt === null);
  return alive
    .filter((record): record is KeyRecord & { expiresAt: number } => record.expiresAt !== null)
    .filter(({ expiresAt }) => expiresAt - now <= soonSeconds)
    .sort((a, b) => a.expiresAt - b.expiresAt)
    .map((record) => ({
      id: record.id,
      service: record.service,
      kind: record.kind,
      expires_at: rfc3339(record.expiresAt),
      expired: record.expiresAt <= now,
      has_successor: alive.some((other) => succeeds(other, record, now)),
    }))
    .filter((key) => !key.expired || !key.has_successor);
}

function succeeds(other: KeyRecord, record: KeyRecord & { expiresAt: number }, now: number): boolean {
  if (other.id === record.id || other.service !== record.service || other.kind !== record.kind) return false;
  return other.expiresAt === null || other.expiresAt > Math.max(record.expiresAt, now);
}
