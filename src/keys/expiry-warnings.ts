import type { KeyEnd, KeyRecord, KeyUse } from '../core/credential.ts';
import { endElsewhereWords } from './ends-elsewhere.ts';
import { lineageOf } from './lineage.ts';
import { spanWords, useWords } from './use-words.ts';

export interface ExpiryWarning {
  /** Another one for each key, end and step: each is worth saying once. */
  readonly id: string;
  readonly words: string;
}

const day = 86_400;
/** Before a key's end. */
const stepSeconds: readonly number[] = [day, 7 * day, 14 * day];
/** An old key that was used so lately is still somebody's. */
const lately = day;

/** Whether a key may be warned of, or have a say in whether another is: of many keys few are to be held for it. */
export function bearsOnExpiry({ expiresAt, replaces }: KeyRecord, now: number): boolean {
  return replaces !== null || (expiresAt !== null && expiresAt - now <= Math.max(...stepSeconds));
}

/** Keys outside the store that are let go of soon. */
export function warningsElsewhere(keys: readonly KeyEnd[], now: number): ExpiryWarning[] {
  return keys.flatMap((key): ExpiryWarning[] => {
    const step = stepSeconds.find((seconds) => key.expiresAt - now <= seconds);
    if (step === undefined) return [];
    return [{ id: `${key.id} ${key.expiresAt} ${step}`, words: endElsewhereWords(key, now) }];
  });
}

/**
 * Keys that end soon: current ones that nothing replaces yet, and old ones that somebody still uses. Of a short life only the
 * steps within its second half count, or a key for a day would be warned of from the start.
 */
export function expiryWarnings(records: readonly KeyRecord[], uses: readonly KeyUse[], now: number): ExpiryWarning[] {
  const lineage = lineageOf(records, now);
  return records.flatMap((record): ExpiryWarning[] => {
    const { id, service, createdAt, expiresAt } = record;
    const stage = lineage.stageOf(record);
    if (stage === null || expiresAt === null) return [];
    const left = expiresAt - now;
    const step = stepSeconds.find((seconds) => left <= seconds && seconds <= (expiresAt - createdAt) / 2);
    if (step === undefined) return [];
    const warning = (words: string): ExpiryWarning[] => [{ id: `${id} ${expiresAt} ${step}`, words }];
    if (stage !== 'previous')
      return warning(
        `key ${id} of ${service} ends in ${spanWords(left)}, and nothing replaces it yet: countersign keys rotate ${id}`,
      );
    const use = uses.find(({ credentialId, lastUsed }) => credentialId === id && now - lastUsed < lately);
    if (!use) return [];
    return warning(
      `old key ${id} of ${service} ends in ${spanWords(left)} and is still used, ${useWords(use, now)}; more time: countersign keys retire ${id} --in 7d`,
    );
  });
}
