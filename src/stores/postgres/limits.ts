import type { LimitStore } from '../../core/store.ts';
import { windowState, type Window } from '../window.ts';
import type { Queries, Statement } from './database.ts';

/** Starts a window, or counts in the running one while there is room; returns no row when there is none. */
const takeOne: Statement = {
  name: 'countersign-limit-take',
  text: `INSERT INTO countersign_limits AS held (key, count, ends_at) VALUES ($1, 1, $2::float8 + $3::float8)
    ON CONFLICT (key) DO UPDATE SET
      count = CASE WHEN held.ends_at <= $2 THEN 1 ELSE held.count + 1 END,
      ends_at = CASE WHEN held.ends_at <= $2 THEN excluded.ends_at ELSE held.ends_at END
    WHERE held.ends_at <= $2 OR held.count < $4
    RETURNING count, ends_at AS "endsAt"`,
};
export const limitByKey: Statement = {
  name: 'countersign-limit',
  text: 'SELECT count, ends_at AS "endsAt" FROM countersign_limits WHERE key = $1',
};

const spend: Statement = {
  name: 'countersign-once',
  text: `INSERT INTO countersign_once AS held (key, expires_at) VALUES ($1, $2)
    ON CONFLICT (key) DO UPDATE SET expires_at = excluded.expires_at WHERE held.expires_at <= $3
    RETURNING true`,
};

/** A sweep removes more than the calls between two of them can add, so the tables follow what is alive. */
const sweepEvery = 256;
const sweepStep = 1024;
/** A replica whose clock is ahead must not throw away what the others still need. */
const sweepSecondsBehind = 3600;

const sweepOf = (name: string, table: string, end: string): Statement => ({
  name,
  silent: true,
  text: `DELETE FROM ${table} WHERE key IN
    (SELECT key FROM ${table} WHERE ${end} <= $1 ORDER BY ${end} LIMIT ${sweepStep} FOR UPDATE SKIP LOCKED)`,
});
export const limitsSweep = sweepOf('countersign-limits-sweep', 'countersign_limits', 'ends_at');
export const onceSweep = sweepOf('countersign-once-sweep', 'countersign_once', 'expires_at');

export const limitStatements: readonly Statement[] = [takeOne, limitByKey, spend, limitsSweep, onceSweep];

export function postgresLimits(database: Queries): LimitStore {
  let calls = 0;

  /** Beside the requests: nobody waits for it, and what it cannot do the next one does. */
  function sweepSometimes(now: number): void {
    calls += 1;
    if (calls % sweepEvery !== 0) return;
    for (const sweep of [limitsSweep, onceSweep]) database.query(sweep, [now - sweepSecondsBehind]).catch(() => {});
  }

  async function windowOf(key: string): Promise<Window | null> {
    const [window] = await database.query<Window>(limitByKey, [key]);
    return window ?? null;
  }

  return {
    async take(key, limit, windowSeconds, now) {
      if (limit < 1) return { allowed: false, count: 0, retryAfter: windowSeconds };
      sweepSometimes(now);
      const [taken] = await database.query<Window>(takeOne, [key, now, windowSeconds, Math.floor(limit)]);
      if (taken) return { allowed: true, count: taken.count, retryAfter: taken.endsAt - now };
      // Refused above, whatever another process has done to the window since.
      return { ...windowState(await windowOf(key), limit, now), allowed: false };
    },
    async peek(key, limit, now) {
      return windowState(await windowOf(key), limit, now);
    },
    async once(key, expiresAt, now) {
      sweepSometimes(now);
      return (await database.query(spend, [key, expiresAt, now])).length > 0;
    },
  };
}
