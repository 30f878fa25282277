import { systemClock, type Clock } from '../../core/clock.ts';
import { noSchema, StoreError, type Store } from '../../core/store.ts';
import { redisDecisions } from './decisions.ts';
import { redisEvents } from './events.ts';
import { readOnlyFault } from './fault.ts';
import { feed } from './feed.ts';
import { redisKeys } from './keys.ts';
import { redisLimits } from './limits.ts';
import { redisModes } from './modes.ts';
import { infoOf, redisWarnings } from './warnings.ts';
import { openServer, type Server } from './server.ts';
import { redisRecords } from './records.ts';
import { redisTokens } from './tokens.ts';
import { redisUsage } from './usage.ts';

export interface RedisStoreOptions {
  /** redis://USER:PASSWORD@HOST:PORT/NUMBER, or rediss:// for TLS. */
  readonly url: string;
  readonly clock?: Clock;
  /** How long a connection, and then again an answer, may take before the store counts as away, milliseconds; 2,500. */
  readonly patienceMillis?: number;
}

/**
 * For several machines that share a Redis or a Valkey (6.2 or later, not a cluster). What is acknowledged is as durable as
 * its configuration makes it. Nothing is connected before the first verb; every verb ends in bounded time.
 */
export function redisStore({ url, clock = systemClock, patienceMillis = 2500 }: RedisStoreOptions): Store {
  const server = openServer(url, patienceMillis);
  const changes = feed(server, patienceMillis);
  return {
    kind: 'redis',
    keys: redisKeys(server, changes),
    tokens: redisTokens(server, changes),
    modes: redisModes(server, changes),
    limits: redisLimits(server),
    decisions: redisDecisions(server),
    usage: redisUsage(server),
    records: redisRecords(server, changes),
    events: redisEvents(server),
    async schema() {
      await requireLayout(server);
      return noSchema;
    },
    async migrate() {
      await requireLayout(server);
      await server.ask((client) => client.set(layoutKey, layout, 'NX'));
      // So that whoever watches from here on misses nothing and need not read everything again.
      await changes.started();
      return [];
    },
    async ping() {
      // INFO is answered also by a server that is reading its data back.
      await server.ask((client) => client.ping());
      const { role } = await infoOf(server);
      if (role === 'slave') throw readOnlyFault(server.place);
    },
    async warnings() {
      await changes.started();
      return [...changes.warnings(), ...(await redisWarnings(server, clock))];
    },
    watch: (listener) => changes.watch(listener),
    async close() {
      changes.close();
      server.close();
    },
  };
}

/** What is kept under our names, and how: raised by whatever an older version would misread or spoil. */
const layout = 1;
const layoutKey = 'countersign:layout';

/** Rejects where a later version of this program has been at work. Where there is no number nothing is, or what was before there were numbers. */
async function requireLayout(server: Server): Promise<void> {
  const held = Number(await server.ask((client) => client.get(layoutKey)));
  if (held > layout)
    throw new StoreError(
      'store_unavailable',
      `Redis at ${server.place} was written by a newer version of countersign (its layout is ${held}, this version knows ${layout}); update countersign or name another database`,
    );
}
