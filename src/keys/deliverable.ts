import type { KeyRecord } from '../core/credential.ts';
import type { Seal } from '../crypto/seal.ts';
import { lineageOf } from './lineage.ts';

/**
 * The HMAC secrets that the callers ought to sign with, by caller: the one that waits to take another's place, else the current
 * one. API keys are not among them: of these nobody has more than the digest. Throws a SealError (code 'seal_broken'). `services`:
 * whose are wanted; null: everybody's. No other one is opened, so that it holds nobody up where it does not open.
 */
export function deliverableSecrets(
  records: readonly KeyRecord[],
  { seal, now, services }: { readonly seal: Seal; readonly now: number; readonly services: readonly string[] | null },
): Map<string, string> {
  const lineage = lineageOf(records, now);
  const chosen = new Map<string, KeyRecord>();
  for (const record of records.toSorted((a, b) => a.createdAt - b.createdAt)) {
    const stage = lineage.stageOf(record);
    if (
      services?.includes(record.service) === false ||
      record.kind !== 'hs' ||
      record.material === null ||
      stage === null ||
      stage === 'previous'
    )
      continue;
    chosen.set(record.service, record);
  }
  return new Map([...chosen].map(([service, record]) => [service, seal.open(record.material ?? '', record)]));
}
