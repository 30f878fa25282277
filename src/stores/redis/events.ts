import type { Chain, EventFilter, EventRow, EventStore } from '../../core/event.ts';
import { eventIn } from './kept-json.ts';
import { listOf, type Server } from './server.ts';

/** Links read at a time: what a script does in a few milliseconds, during which Redis serves nobody else. */
const step = 200;

export function redisEvents(server: Server): EventStore {
  /** Newest first; links of a chain grow with time, so the search ends where they are too old. */
  async function newest(chain: Chain, filter: EventFilter, limit: number): Promise<EventRow[]> {
    const found: EventRow[] = [];
    for (let from = '+inf'; found.length < limit;) {
      const rows = rowsIn(chain, listOf(await server.run('eventsBefore', chain, from, step)));
      for (const row of rows) if (found.length < limit && matches(row, filter)) found.push(row);
      const last = rows.at(-1);
      if (!last || rows.length < step || last.time < (filter.since ?? -Infinity)) break;
      from = `(${last.sequence}`;
    }
    return found.toReversed();
  }

  async function behind(chain: Chain, filter: EventFilter, after: number, limit: number): Promise<EventRow[]> {
    const found: EventRow[] = [];
    let [from, had] = [after === -Infinity ? '-inf' : `(${after}`, 0];
    while (found.length < limit) {
      const reply = listOf(await server.run('eventsFrom', chain, from, had, step));
      const rows = rowsIn(chain, reply);
      for (const row of rows) if (found.length < limit && matches(row, filter)) found.push(row);
      const last = reply.at(-1);
      if (!last || rows.length < step) break;
      // A set takes a number twice: who has the first of them has not had the other.
      const same = reply.filter((score, at) => at % 2 === 1 && score === last).length;
      [from, had] = [last, from === last ? had + same : same];
    }
    return found;
  }

  return {
    async head(chain) {
      const held = await server.ask((client) => client.get(`countersign:events-head:${chain}`));
      // As the script that appends reads it: whatever else stands there is no end, and keeps nothing from being added.
      const [, sequence, hash = '', time] = /^(\d+) ([0-9a-f]+) (\S+)$/.exec(String(held)) ?? [];
      return sequence === undefined ? null : { sequence: Number(sequence), time: Number(time), hash };
    },
    async append({ chain, sequence, time, type, actor, text, hash }, previous) {
      const [before, now] = [`${sequence - 1} ${previous}`, `${sequence} ${hash}`];
      const row = JSON.stringify([sequence, time, type, actor, text, hash]);
      return Number(await server.run('eventAppend', chain, sequence, before, now, time, row)) === 1;
    },
    list(chain, filter) {
      const limit = Math.max(0, filter.limit);
      return filter.after === undefined ? newest(chain, filter, limit) : behind(chain, filter, filter.after, limit);
    },
    async prune(chain, through) {
      return Number(await server.run('eventsPrune', chain, through));
    },
  };
}

/** Each link beside its number. */
function rowsIn(chain: Chain, reply: readonly (string | null)[]): EventRow[] {
  return reply.flatMap((json, at) => (at % 2 === 0 ? [eventIn(chain, json, reply[at + 1] ?? null)] : []));
}

function matches(row: EventRow, { since, until, type, actor }: EventFilter): boolean {
  return (
    (since === undefined || row.time >= since) &&
    (until === undefined || row.time <= until) &&
    (type === undefined || row.type === type) &&
    (actor === undefined || row.actor === actor)
  );
}
