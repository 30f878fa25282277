import { setTimeout as sleep } from 'node:timers/promises';
import { rotationLease } from '../../../compose/rotation.ts';
import { systemClock } from '../../../core/clock.ts';
import type { Store } from '../../../core/store.ts';
import type { Invocation } from '../../command.ts';
import { refused } from '../../failure.ts';

const patienceMillis = 30_000;
const askMillis = 500;

/** Keys are delivered by one process at a time: two would overwrite each other's. `stillOurs` is asked before each change. */
export async function withRotationLease<T>(
  store: Store,
  { out }: Invocation,
  work: (stillOurs: () => Promise<boolean>) => Promise<T>,
): Promise<T> {
  const lease = rotationLease(store.records);
  const until = performance.now() + patienceMillis;
  for (let waited = false; !(await lease.take(systemClock())); waited = true) {
    if (!waited) out.talk('Another process is rotating keys: waiting for it to end.');
    if (performance.now() > until)
      throw refused('another process is rotating keys, a running server perhaps', 'Try again when it has ended.');
    await sleep(askMillis);
  }
  try {
    return await work(() => lease.take(systemClock()));
  } finally {
    await lease.release(systemClock());
  }
}
