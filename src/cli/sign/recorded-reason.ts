import { existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '../../core/clock.ts';
import type { Invocation } from '../command.ts';
import { atWork } from '../workplace.ts';

/** Rows come in batches behind the requests' backs. */
const waitSeconds = 5;
/** Of two clocks, and of the wait. */
const agoSecondsMax = 600;

/** Why a request was, or would be, refused, as the server recorded it; null where its store is not that of this configuration. */
export async function recordedReason(invocation: Invocation, requestId: string): Promise<string | null> {
  if (!existsSync(invocation.configFile)) return null;
  return atWork(invocation, async ({ config, store }) => {
    const start = systemClock();
    while (config.audit.rows && store.kind !== 'memory' && systemClock() - start < waitSeconds) {
      const [row] = await store.decisions.list({ requestId, since: start - agoSecondsMax, limit: 1 });
      if (row) return row.reason;
      await pause(50);
    }
    return null;
  });
}
