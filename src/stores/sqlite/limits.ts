import type { LimitStore } from '../../core/store.ts';
import { windowState, type Window } from '../window.ts';
import type { Database } from './database.ts';

/** Starts a window, or counts in the running one while there is room; returns no row when there is none. */
const takeOne = `INSERT INTO countersign_limits (key, count, ends_at) VALUES (?, 1, ? + ?)
  ON CONFLICT (key) DO UPDATE SET
    count = CASE WHEN ends_at <= ? THEN 1 ELSE count + 1 END,
    ends_at = CASE WHEN ends_at <= ? THEN excluded.ends_at ELSE ends_at END
  WHERE ends_at <= ? OR count < ?
  RETURNING count, ends_at AS endsAt`;
export const limitByKey = 'SELECT count, ends_at AS endsAt FROM countersign_limits WHERE key = ?';

const spend = `INSERT INTO countersign_once (key, expires_at) VALUES (?, ?)
  ON CONFLICT (key) DO UPDATE SET expires_at = excluded.expires_at WHERE expires_at <= ?`;

/** A sweep removes more than the calls between two of them can add, so the tables follow what is alive. */
const sweepEvery = 256;
const sweepStep = 1024;
export const limitsSweep = `DELETE FROM countersign_limits WHERE rowid IN
  (SELECT rowid FROM countersign_limits WHERE ends_at <= ? LIMIT ?)`;
export const onceSweep = `DELETE FROM countersign_once WHERE rowid IN
  (SELECT rowid FROM countersign_once WHERE expires_at <= ? LIMIT ?)`;

export function sqliteLimits(database: Database): LimitStore {
  const { step } = database;
  let calls = 0;

  function sweepSometimes(now: number): void {
    calls += 1;
    if (calls % sweepEvery !== 0) return;
    database.quick.run(limitsSweep, now, sweepStep);
    database.quick.run(onceSweep, now, sweepStep);
  }

  return {
    take: (key, limit, windowSeconds, now) =>
      step(() => {
        if (limit < 1) return { allowed: false, count: 0, retryAfter: windowSeconds };
        sweepSometimes(now);
        const taken = database.quick.get<Window>(takeOne, key, now, windowSeconds, now, now, now, limit);
        if (taken) return { allowed: true, count: taken.count, retryAfter: taken.endsAt - now };
        // Refused above, whatever another process has done to the window since.
        const window = database.quick.get<Window>(limitByKey, key);
        return { ...windowState(window, limit, now), allowed: false };
      }),
    peek: (key, limit, now) => step(() => windowState(database.quick.get<Window>(limitByKey, key), limit, now)),
    once: (key, expiresAt, now) =>
      step(() => {
        sweepSometimes(now);
        return database.quick.run(spend, key, expiresAt, now) > 0;
      }),
  };
}
