import { rfc3339, rfc3339OrNull } from '../../../core/clock.ts';
import { lifeFault, type KeyRecord, type KeyUse } from '../../../core/credential.ts';
import type { Lineage } from '../../../keys/lineage.ts';
import type { KeyTarget } from '../../../keys/targets/index.ts';
import { useWords } from '../../../keys/use-words.ts';
import { inWords } from '../../duration.ts';
import type { Cell } from '../../output.ts';

/** How keys are shown: never a secret. */

export interface ShownKey {
  readonly id: string;
  readonly service: string;
  readonly kind: string;
  readonly expires_at: string | null;
}

export function shown(record: KeyRecord): ShownKey {
  return { id: record.id, service: record.service, kind: record.kind, expires_at: rfc3339OrNull(record.expiresAt) };
}

export interface Around {
  readonly lineage: Lineage;
  /** Of all keys, the one used last first. */
  readonly uses: readonly KeyUse[];
  readonly now: number;
}

export function details(record: KeyRecord, { lineage, uses, now }: Around): Record<string, unknown> {
  return {
    last_four: record.lastFour,
    state: faultOf(record, now) ?? 'active',
    stage: lineage.stageOf(record),
    replaces: record.replaces,
    imported: record.imported,
    scopes: record.scopes,
    allowed_ips: record.allowedIps,
    created_at: rfc3339OrNull(record.createdAt),
    revoked_at: rfc3339OrNull(record.revokedAt),
    last_used: shownUse(lastUse(record, uses)),
  };
}

export function lastUse({ id }: KeyRecord, uses: readonly KeyUse[]): KeyUse | null {
  return uses.find(({ credentialId }) => credentialId === id) ?? null;
}

export function shownUse(use: KeyUse | null): Record<string, unknown> | null {
  return use && { at: rfc3339(use.lastUsed), by: use.caller, from: use.clientAddress };
}

export function faultOf({ expiresAt, revokedAt }: KeyRecord, now: number): 'revoked' | 'expired' | null {
  return lifeFault({ expiresAt, revoked: revokedAt !== null }, now);
}

export function stateCell(record: KeyRecord, { lineage, now }: Around): Cell {
  const stage = lineage.stageOf(record);
  if (stage === null) return { text: faultOf(record, now) ?? '', style: 'red' };
  if (record.expiresAt === null) return { text: stage, style: stage === 'current' ? 'green' : 'yellow' };
  const left = record.expiresAt - now;
  const well = stage === 'current' && left >= 14 * 86_400;
  return { text: `${stage}, ends in ${inWords(left)}`, style: well ? 'green' : 'yellow' };
}

/** '3 h ago by ai-stack from 10.0.0.7'. */
export function useCell(use: KeyUse | null, now: number): string {
  return use ? useWords(use, now) : 'not seen';
}

export function endWords(record: KeyRecord, now: number): string {
  return record.expiresAt === null
    ? 'without an end'
    : `until ${rfc3339(record.expiresAt)} (${inWords(record.expiresAt - now)})`;
}

/** Where it was brought to, and when it ends: a place may let go of it before its time. */
export function deliveredWords(record: KeyRecord, { name, lifeSeconds = Infinity }: KeyTarget, now: number): string {
  if (now + lifeSeconds >= (record.expiresAt ?? Infinity)) return `${name}, ${endWords(record, now)}`;
  const until = `${rfc3339(now + lifeSeconds)} (${inWords(lifeSeconds)})`;
  return `${name}, where it ends ${until}; before that: countersign keys rotate ${record.service} --to redis`;
}
