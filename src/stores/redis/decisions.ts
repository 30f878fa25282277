import { isOfNobody } from '../../core/decision-values.ts';
import type { RollupMeasure } from '../../core/rollup.ts';
import type { DecisionStore } from '../../core/store.ts';
import { callerOf, groupMerger } from '../groups.ts';
import { isMeant, type KeptRow } from '../kept-row.ts';
import { rollUp } from '../roll-up.ts';
import { decisionIn } from './kept-json.ts';
import { pruneRollups, rollupArguments, rollupsBetween } from './rollups.ts';
import { decisionsMax } from './decision-scripts.ts';
import { marks } from './decision-marks.ts';
import type { ScriptName } from './scripts.ts';
import { listOf, type Server, type Value } from './server.ts';

/** Rows read or removed at a time: what a script does in a few milliseconds, during which Redis serves nobody else. */
const step = 500;

/** The same at each attempt: what is compared is which they are. */
const noMeasures: readonly RollupMeasure[] = [];

/** A stream of rows, numbered upwards, with an index by time; the newest 100,000 are kept, of nobody proven 50,000. */
export function redisDecisions(server: Server): DecisionStore {
  const rolled = rollUp();
  const marked = marks(server);

  async function rowsOf(script: ScriptName, ...values: Value[]): Promise<KeptRow[]> {
    const reply = listOf(await server.run(script, ...values));
    const rows: KeptRow[] = [];
    for (let at = 0; at < reply.length; at += 2)
      rows.push({ ...decisionIn(reply[at + 1] ?? null), sequence: numberOf(reply[at]) });
    return rows;
  }

  /** Newest first. */
  async function* byTime(since: number, until: number): AsyncGenerator<KeptRow[]> {
    for (let cursor = ''; ;) {
      const rows = await rowsOf('decisionsByTime', cursor, bound(since), bound(until), step);
      yield rows;
      const end = rows.at(-1);
      if (!end || rows.length < step) return;
      cursor = String(end.sequence).padStart(16, '0');
    }
  }

  async function* behind(after: number): AsyncGenerator<KeptRow[]> {
    for (let from = Math.floor(after) + 1; ;) {
      const rows = await rowsOf('decisionsFrom', Math.max(0, from), step);
      yield rows;
      const end = rows.at(-1);
      if (!end || rows.length < step) return;
      // What somebody put in may have a number between two, or one behind which there can be none.
      from = Math.floor(end.sequence) + 1;
      if (from > Number.MAX_SAFE_INTEGER) return;
    }
  }

  async function inSteps(script: ScriptName, value: number): Promise<number> {
    for (let removed = 0; ;) {
      const count = Number(await server.run(script, value, step));
      removed += count;
      if (count < step) return removed;
    }
  }

  return {
    rowsMax: decisionsMax,
    async append(rows, measures = noMeasures) {
      const pieces = Math.max(measures.length > 0 ? 1 : 0, Math.ceil(rows.length / step));
      for (let piece = 0; piece < pieces; piece += 1)
        await marked.once(
          { rows: rows.slice(piece * step, (piece + 1) * step), measures: piece === 0 ? measures : noMeasures },
          (left) => [
            left.rows.length,
            ...left.rows.flatMap((row) => [row.time, JSON.stringify(row), isOfNobody(row) ? 1 : 0]),
            ...rollupArguments(rolled(left.rows, left.measures)),
          ],
        );
      if (pieces === 0) await server.ask((client) => client.ping());
    },
    async list(filter) {
      const { since = -Infinity, until = Infinity, after } = filter;
      const limit = Math.max(0, filter.limit);
      const found: KeptRow[] = [];
      for await (const page of after === undefined ? byTime(since, until) : behind(after)) {
        for (const row of page) if (found.length < limit && isMeant(row, filter)) found.push(row);
        if (found.length >= limit) break;
      }
      return found.sort((a, b) => a.sequence - b.sequence);
    },
    async groups(since, until, credentialId) {
      const merger = groupMerger();
      for await (const page of byTime(since, until)) {
        for (const row of page) {
          if (credentialId !== undefined && row.credentialId !== credentialId) continue;
          const { service, route, mode, outcome, reason, clientAddress, requestId, time, sequence } = row;
          const who = { service, route, mode, outcome, reason, caller: callerOf(row), clientAddress };
          merger.add({ ...who, count: 1, firstSeen: time, lastSeen: time, requestId, lastSequence: sequence });
        }
      }
      return merger.groups();
    },
    async prune(before, keep) {
      const old = await inSteps('decisionsPruneOld', before);
      const kept = Math.max(0, keep);
      const strangers = await inSteps('decisionsPruneStrangers', Math.floor(kept / 2));
      return old + strangers + (await inSteps('decisionsPruneFirst', kept));
    },
    rollups: (since, until) => rollupsBetween(server, since, until),
    pruneRollups: (now) => pruneRollups(server, now),
  };
}

/** Of an entry's id, which we give as `5-0`; another's, which may be `5-1`, is no whole number. */
function numberOf(id: string | null | undefined): number {
  return Number((id ?? '').replace('-', '.'));
}

/** As Redis and Lua both read it. */
function bound(time: number): string {
  if (Number.isFinite(time)) return String(time);
  return time > 0 ? '1e300' : '-1e300';
}
