import { systemClock, type Clock } from '../../core/clock.ts';
import { noSchema, StoreError, type Store } from '../../core/store.ts';
import { clockWarnings } from '../clock-warnings.ts';
import { redisDecisions } from './decisions.ts';
import { redisEvents } from './events.ts';
import { readOnlyFault } from './fault.ts';
import { feed } from './feed.ts';
import { redisKeys } from './keys.ts';
import { redisLimits } from './limits.ts';
import { redisModes } from './modes.ts';
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
    warnings: async () => [
      ...warningsOf(await infoOf(server)),
      ...(await displacedWarnings(server)),
      ...(await timeWarnings(server, clock)),
    ],
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

/** By name. INFO rather than CONFIG: hosted servers refuse the latter. */
async function infoOf(server: Server): Promise<Readonly<Record<string, string>>> {
  const text = String(await server.ask((client) => client.info()));
  return Object.fromEntries(text.split('\r\n').map((line) => line.split(':', 2)));
}

async function timeWarnings(server: Server, clock: Clock): Promise<string[]> {
  const asked = clock();
  const [seconds, micros] = (await server.ask((client) => client.time())) as [number | string, number | string];
  return clockWarnings(`Redis at ${server.place}`, Number(seconds) + Number(micros) / 1e6, asked, clock());
}

async function displacedWarnings(server: Server): Promise<string[]> {
  const count = Number(await server.ask((client) => client.llen('countersign:decisions-displaced')));
  if (count === 0) return [];
  return [
    `Redis has ${count} in the list countersign:decisions-displaced: decisions that somebody put in under numbers that no server gives, behind which none could be added; see who else may write there, then delete the list`,
  ];
}

function warningsOf({ maxmemory_policy: policy, aof_enabled: log }: Readonly<Record<string, string>>): string[] {
  const warnings: string[] = [];
  // It throws away one-time values, limits and tokens first, and keys and revocations next.
  if (policy !== undefined && policy !== 'noeviction')
    warnings.push(
      `Redis has maxmemory-policy ${policy}: when its memory is full it throws away keys, tokens and revocations, so that revoked keys may live again; set maxmemory-policy noeviction`,
    );
  if (log === '0')
    warnings.push(
      'Redis has appendonly no: when it restarts, keys, tokens and revocations since its last snapshot are lost, all of them where it makes none; set appendonly yes',
    );
  return warnings;
}
