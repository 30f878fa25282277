import { parentPort, workerData } from 'node:worker_threads';
import { auditDuties } from './audit-duties.ts';
import { systemClock } from '../../core/clock.ts';
import { hasCode } from '../../core/store.ts';
import { messageOf } from '../../core/message-of.ts';
import { sqliteStore } from '../../stores/sqlite/store.ts';
import type { Answered, Asked, EvidenceData } from './evidence-thread.ts';
import { unpacked } from './packed-rows.ts';

/** Runs in the thread that evidence-thread.ts starts. */
const { file, audit, lookMillis } = workerData as EvidenceData;
const store = sqliteStore({ file });
const duties = auditDuties(
  { store, clock: systemClock, config: { audit } },
  { warn: (warning) => tell({ warning }), lookMillis },
);

parentPort?.on('message', (asked: Asked) => void answer(asked));

function tell(answered: Answered): void {
  parentPort?.postMessage(answered);
}

async function answer(asked: Asked): Promise<void> {
  if (asked.verb === 'close') return end();
  const { id } = asked;
  try {
    tell({ id, result: await done(asked) });
  } catch (error) {
    const code = hasCode(error, 'schema_outdated') ? 'schema_outdated' : 'store_unavailable';
    tell({ id, code, message: messageOf(error) });
  }
}

async function done(asked: Exclude<Asked, { verb: 'close' }>): Promise<number> {
  const { decisions } = store;
  if (asked.verb === 'prune') return decisions.prune(asked.before, asked.keep);
  if (asked.verb === 'append') await decisions.append(unpacked(asked.rows), asked.measures);
  else await decisions.pruneRollups(asked.now);
  return 0;
}

async function end(): Promise<void> {
  await duties.close();
  await store.close();
  // Nothing else holds this thread.
  parentPort?.close();
}
