import type { KeyRecord } from '../../core/credential.ts';
import { hasCode } from '../../core/store.ts';
import { messageOf } from '../../core/message-of.ts';
import { dutyWords, rotateDue, type Duty } from '../../keys/rotation/rotate-due.ts';
import { endsElsewhere } from '../../keys/ends-elsewhere.ts';
import { bearsOnExpiry, expiryWarnings, warningsElsewhere } from '../../keys/expiry-warnings.ts';
import { keyAct } from '../../keys/key-act.ts';
import { rotates, rotationLease, rotationRule, settleMillis } from '../../compose/rotation.ts';
import type { Stack } from '../../compose/stack.ts';
import { rounds } from './rounds.ts';

/** What a server does about keys by itself: replaces them by age, ends old ones, and warns before one ends. */
export interface KeyDuties {
  /** Resolves when what is under way has ended. */
  close(): Promise<void>;
}

export interface KeyDutiesOptions {
  /** Takes what was done, one line each. */
  readonly say: (text: string) => void;
  readonly warn: (text: string) => void;
}

const lookMillis = 60_000;
const firstMillis = 1000;

/** Ends move by days; reading all keys for them costs something where there are many. */
const expiryMillis = 3_600_000;

/** Of several servers on one store one rotates at a time; each warns in its own log. */
export function keyDuties(stack: Stack, { say, warn }: KeyDutiesOptions): KeyDuties {
  const { store, seal, clock } = stack;
  const lease = rotationLease(store.records);
  const told = new Set<string>();
  /** Complaints are repeated only when they change. */
  let complaints: ReadonlySet<string> = new Set();
  let warnedAt = Number.NEGATIVE_INFINITY;
  let closed = false;

  async function rotateAll(): Promise<void> {
    if (!rotates(stack.config) || !(await lease.take(clock()))) return;
    const duties = await rotateDue({
      store,
      seal,
      clock,
      ruleOf: (service) => rotationRule(stack.config, service),
      settleMillis,
      mayGoOn: async () => !closed && (await lease.take(clock())),
    });
    tell(duties);
    await lease.release(clock());
  }

  function tell(duties: readonly Duty[]): void {
    const wanting = duties.filter(({ kind }) => kind === 'due' || kind === 'failed').map(dutyWords);
    for (const words of wanting) if (!complaints.has(words)) warn(words);
    complaints = new Set(wanting);
    for (const duty of duties) {
      if (duty.kind !== 'rotated' && duty.kind !== 'retired') continue;
      say(dutyWords(duty));
      void stack.trail.record(
        duty.kind === 'rotated' ? keyAct('key.rotated', duty.by) : keyAct('key.retired', duty.key),
      );
    }
  }

  async function warnOfEnds(): Promise<void> {
    if (performance.now() - warnedAt < expiryMillis) return;
    const now = clock();
    const records: KeyRecord[] = [];
    for await (const page of store.keys.pages()) records.push(...page.filter((record) => bearsOnExpiry(record, now)));
    const inStore = expiryWarnings(records, await store.usage.list(), now);
    const elsewhere = warningsElsewhere(endsElsewhere(stack.keyring.found()), now);
    for (const { id, words } of [...inStore, ...elsewhere]) {
      if (!told.has(id)) warn(words);
      told.add(id);
    }
    warnedAt = performance.now();
  }

  async function look(): Promise<void> {
    try {
      await warnOfEnds();
      await rotateAll();
    } catch (error) {
      // The store is away, which is said elsewhere; the next look comes soon.
      if (!hasCode(error, 'store_unavailable')) warn(`keys could not be looked after: ${messageOf(error)}`);
    }
  }

  const looking = rounds(look, lookMillis, firstMillis);
  return {
    async close() {
      closed = true;
      await looking.close();
    },
  };
}
