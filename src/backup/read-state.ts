import type { KeyRecord } from '../core/credential.ts';
import { lastDecision } from '../core/last-decision.ts';
import { everyRecord, type RecordEntry } from '../core/record.ts';
import type { Store } from '../core/store.ts';
import type { Seal, SealedRecords } from '../crypto/seal.ts';
import { openedRecord } from './sealed-records.ts';
import { BackupError, isPassing, type AuditHead, type HeldKey, type State } from './state.ts';

/** Held in memory at once, on both sides. */
const tokensMax = 1_000_000;

/** What opens the secrets of a stack, and which of its records hold some. */
export interface Sealing {
  readonly seal: () => Seal;
  readonly sealedRecords: readonly SealedRecords[];
}

/**
 * Everything that counts at `now`. The seal is asked for only where a secret is to be opened. Revocations are read after the
 * keys: what is revoked in between is dead by its digest.
 */
export async function readState(store: Store, sealing: Sealing, now: number): Promise<State> {
  const keys = (await store.keys.list()).map((record) => held(record, sealing.seal));
  const tokens = await store.tokens.listActive(now, tokensMax + 1);
  if (tokens.length > tokensMax) throw new BackupError('too_large', `there are more than ${tokensMax} active tokens`);
  const modes = await store.modes.list();
  const records = (await readRecords(store, now)).map((entry) =>
    openedRecord(entry, sealing.sealedRecords, sealing.seal),
  );
  const uses = await store.usage.list();
  return { keys, tokens, modes, records, uses, revocations: (await store.keys.revocations()).toSorted() };
}

function held(record: KeyRecord, seal: () => Seal): HeldKey {
  if (record.kind !== 'hs' || record.material === null) return { ...record, secret: null };
  return { ...record, material: null, secret: seal().open(record.material, record) };
}

async function readRecords(store: Store, now: number): Promise<RecordEntry[]> {
  const found: RecordEntry[] = [];
  for (const kind of (await store.records.kinds()).filter((each) => !isPassing(each))) {
    for (const { id, value, expiresAt } of await everyRecord(store.records, kind, now))
      found.push({ kind, id, value, expiresAt });
  }
  return found;
}

export async function readAuditHead(store: Store): Promise<AuditHead | null> {
  const number = await lastDecision(store.decisions);
  const [last] = number === 0 ? [] : await store.decisions.list({ after: number - 1, limit: 1 });
  return last ? { sequence: last.sequence, time: last.time, requestId: last.requestId } : null;
}
