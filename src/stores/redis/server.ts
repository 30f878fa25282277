import { Redis, type RedisOptions } from 'ioredis';
import { StoreError } from '../../core/store.ts';
import { backoffMillis } from '../backoff.ts';
import { codeOf, isOfSelect, storeFault } from './fault.ts';
import { scriptsFor, type ScriptName } from './scripts.ts';

export type Value = string | number;

/** One connection for commands, opened when it is first needed: what fails is then a verb, not the construction. */
export interface Server {
  readonly channel: string;
  /** Host, port and number, for messages. */
  readonly place: string;
  /** Runs a script. Rejects with a StoreError, in bounded time even when the server has fallen silent. */
  run(script: ScriptName, ...values: Value[]): Promise<unknown>;
  /** The same for a single command. */
  ask(work: (client: Redis) => Promise<unknown>): Promise<unknown>;
  /** A connection of its own that makes itself anew; not connected yet. */
  connection(): Redis;
  close(): void;
}

const keepAliveMillis = 10_000;
/** Commands wait no longer than this for the next attempt to connect. */
const retryMillisMax = 1000;

export function openServer(url: string, patienceMillis: number): Server {
  const { hostname, port, pathname } = new URL(url);
  const number = Number(/^\/(\d+)$/.exec(pathname)?.[1] ?? 0);
  const place = `${hostname === '' ? '127.0.0.1' : hostname}:${port === '' ? 6379 : port}/${number}`;
  const { channel, sources } = scriptsFor(number);
  let stayUntil = 0;
  const options: RedisOptions = {
    lazyConnect: true,
    connectionName: 'countersign',
    connectTimeout: patienceMillis,
    commandTimeout: patienceMillis,
    // A connection on which an answer is overdue is given up, and made anew.
    socketTimeout: patienceMillis,
    keepAlive: keepAliveMillis,
    // What was under way when a connection broke is reported as failed, never sent twice: it may have been done.
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    // A primary that became a replica keeps its connections; the name of the host may mean another server by now. Now and then,
    // since it may not, and reading goes on meanwhile.
    reconnectOnError(error) {
      if (!error.message.startsWith('READONLY') || performance.now() < stayUntil) return false;
      stayUntil = performance.now() + patienceMillis;
      return true;
    },
    retryStrategy: (failures) => Math.min(retryMillisMax, backoffMillis(failures)),
  };
  const made: Redis[] = [];
  let lastFault: string | null = null;
  let closed = false;

  function connection(): Redis {
    const client = new Redis(url, {
      ...options,
      scripts: Object.fromEntries(Object.entries(sources).map(([name, lua]) => [name, { lua, numberOfKeys: 0 }])),
    });
    client.on('error', (error) => {
      lastFault = isOfSelect(error) ? `there is no database ${number} for us: ${codeOf(error)}` : codeOf(error);
      // Its client would go on in database 0, which may be another stack's.
      if (isOfSelect(error)) client.disconnect(true);
    });
    client.on('ready', () => (lastFault = null));
    made.push(client);
    return client;
  }

  const commands = connection();

  async function ask(work: (client: Redis) => Promise<unknown>): Promise<unknown> {
    if (closed) throw new StoreError('store_unavailable', `the store on Redis at ${place} is closed`);
    try {
      return await work(commands);
    } catch (error) {
      throw storeFault(error, place, lastFault);
    }
  }

  return {
    channel,
    place,
    ask,
    run: (script, ...values) =>
      ask((client) => {
        const scripted = client as unknown as Readonly<Record<ScriptName, (...values: Value[]) => Promise<unknown>>>;
        return scripted[script](...values);
      }),
    connection,
    close() {
      closed = true;
      for (const client of made) client.disconnect();
    },
  };
}

/** What a script returned as a list. */
export function listOf(reply: unknown): (string | null)[] {
  return Array.isArray(reply) ? (reply as (string | null)[]) : [];
}
