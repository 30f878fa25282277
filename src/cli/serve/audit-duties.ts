import { hostname } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { sealer } from '../../audit/chain/sealer.ts';
import { lease } from '../../core/lease.ts';
import { hasCode } from '../../core/store.ts';
import { messageOf } from '../../core/message-of.ts';
import { uuid } from '../../crypto/random.ts';
import type { AuditConfig } from '../../compose/config.ts';
import type { Stack } from '../../compose/stack.ts';
import { rounds } from './rounds.ts';

/** What a server does about the audit by itself: seals decisions, notes how far, removes what is too old. */
export interface AuditDuties {
  /** Seals what is left, when it falls to this one. */
  close(): Promise<void>;
}

export interface AuditDutiesOptions {
  readonly warn: (text: string) => void;
  /** How often is looked, which renews the lease in the store; 10,000 ms. */
  readonly lookMillis?: number;
}

const leaseSeconds = 60;
/** Where little happens, so much of it is sealed together. */
const sealSeconds = 20;
const noteSeconds = 300;
/** While requests keep this process busy, what is not sealed yet may wait so long. */
const busySecondsMax = 300;
const busyAbove = 0.8;
const pruneSeconds = 600;

/** Of several servers on one store one does it at a time. */
export function auditDuties(
  stack: Pick<Stack, 'store' | 'clock'> & { readonly config: { readonly audit: AuditConfig } },
  { warn, lookMillis = 10_000 }: AuditDutiesOptions,
): AuditDuties {
  const { store, clock, config } = stack;
  const { retainSeconds, retainRows, retainEventsSeconds, retainEventsCount } = config.audit;
  const from = hostname();
  const work = sealer({
    events: store.events,
    decisions: store.decisions,
    clock,
    self: { id: `server:${from}`, via: 'server', from },
    retain: { seconds: retainSeconds, rows: retainRows },
    retainEvents: { seconds: retainEventsSeconds, rows: retainEventsCount },
  });
  const turn = lease({ records: store.records, name: 'audit', holder: uuid(), seconds: leaseSeconds });
  let closed = false;
  let complained = false;
  let [sealedAt, notedAt, prunedAt] = [clock(), clock(), clock()];
  let load = performance.eventLoopUtilization();

  async function look(last: boolean): Promise<void> {
    try {
      if (!(await turn.take(clock()))) return;
      if (config.audit.rows && (last || (await isDue()))) {
        await work.seal(last ? quickly() : inPassing());
        sealedAt = clock();
      }
      if (last || clock() - notedAt >= noteSeconds) {
        await work.note();
        notedAt = clock();
      }
      if (!last && clock() - prunedAt >= pruneSeconds) {
        prunedAt = clock();
        await work.prune();
      }
      if (last) await turn.release(clock());
      complained = false;
    } catch (error) {
      // The store is away, which is said elsewhere; the next look comes soon.
      if (complained || hasCode(error, 'store_unavailable')) return;
      complained = true;
      warn(`the audit could not be sealed: ${messageOf(error)}`);
    }
  }

  /** The lease is long compared with one look; what is left is done at the next. */
  function quickly(): () => Promise<boolean> {
    const until = performance.now() + (leaseSeconds * 1000) / 6;
    return async () => performance.now() < until;
  }

  /** A fifth of the time at most, so that requests hardly notice. */
  function inPassing(): () => Promise<boolean> {
    const inTime = quickly();
    let began = performance.now();
    return async () => {
      await pause(4 * (performance.now() - began));
      began = performance.now();
      return !closed && inTime();
    };
  }

  async function isDue(): Promise<boolean> {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, load);
    load = now;
    if (utilization > busyAbove && clock() - sealedAt < busySecondsMax) return false;
    return clock() - sealedAt >= sealSeconds || (await work.waiting());
  }

  const looking = rounds(() => look(false), lookMillis);
  return {
    async close() {
      closed = true;
      await looking.close();
      await look(true);
    },
  };
}
