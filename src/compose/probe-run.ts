import type { Clock } from '../core/clock.ts';
import type { RecordStore } from '../core/record.ts';
import { sha256Hex } from '../crypto/digest.ts';
import { randomBase62 } from '../crypto/random.ts';

/** One run of `countersign probe`, while which the gateway knows the operator who asks. */
export interface ProbeRun {
  /** Goes with every marked request. Only its digest is in the store. */
  readonly secret: string;
  /** Safe again; a run that is not ended ends by itself. */
  close(): Promise<void>;
}

const kind = 'probe-run';
const secretPattern = /^[0-9A-Za-z]{43}$/;

/** Whoever can write to the store may begin one: that is an operator. Rejects where the store cannot be written. */
export async function probeRun(records: RecordStore, clock: Clock, secondsMax: number): Promise<ProbeRun> {
  const secret = randomBase62(43);
  const id = sha256Hex(secret);
  const record = await records.put({ kind, id, value: {}, expiresAt: clock() + secondsMax }, null, clock());
  return {
    secret,
    async close() {
      if (record) await records.remove(kind, id, record.revision, clock());
    },
  };
}

/**
 * Whether a marked request is of a run. The store is asked and not memory, since the first request follows at once; while it is
 * away nobody is believed, and what is asked counts like anything else.
 */
export async function isOfProbeRun(
  records: Pick<RecordStore, 'get'>,
  now: number,
  lines: readonly string[],
): Promise<boolean> {
  const [secret] = lines;
  if (lines.length !== 1 || secret === undefined || !secretPattern.test(secret)) return false;
  return records.get(kind, sha256Hex(secret), now).then(
    (record) => record !== null,
    () => false,
  );
}
