import { Socket } from 'node:net';
import { Client, Pool, type ClientConfig } from 'pg';
import { StoreError } from '../../core/store.ts';
import { isAnswer, storeFault } from './fault.ts';

/** SQL that the server prepares once for each connection, under its name. */
export interface Statement {
  readonly name: string;
  readonly text: string;
  /** Returns no rows, and not even none. */
  readonly silent?: true;
}

export type Value = string | number | boolean | null | readonly (string | number | null)[];

/** A small pool of connections, opened as they are needed: what fails is then a verb, not the construction. */
export interface Database {
  /** Host, port and database, for messages. */
  readonly place: string;
  /** Resolves to the rows. Rejects with a StoreError, in bounded time even when the server has fallen silent. */
  query<Row extends object>(statement: Statement, values?: readonly Value[], millisMax?: number): Promise<Row[]>;
  /** Does the work in one transaction on a connection of its own. */
  transaction<T>(work: (client: Client) => Promise<T>): Promise<T>;
  /** A connection outside the pool, not connected yet; ended with the store. */
  client(): Client;
  close(): Promise<void>;
}

/** All that the verbs need: a connection, or an HTTP interface to the same database. */
export type Queries = Pick<Database, 'query'>;

const connectionsMax = 5;
/** For work that reads or changes many rows, and that no request waits for. */
export const longMillisMax = 30_000;
const migrationMillisMax = 300_000;
const closeMillisMax = 1000;

/** `patienceMillis`: for a connection, and then again for the answer. */
export function openDatabase(url: string, patienceMillis: number): Database {
  const place = placeOf(url);
  const sockets = new Set<Socket>();
  const settings: ClientConfig = {
    connectionString: url,
    application_name: 'countersign',
    connectionTimeoutMillis: patienceMillis,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    // Made here, so that closing need not wait for a server that has fallen silent.
    stream: () => {
      const socket = new Socket();
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      return socket;
    },
  };
  // The server gives up too, so that work nobody waits for any more ends.
  const pool = new Pool({ ...settings, max: connectionsMax, statement_timeout: longMillisMax });
  const apart = new Set<Client>();
  let closed = false;

  // Every broken connection also fails the query on it; without these listeners it would end the process.
  pool.on('error', () => {});
  pool.on('connect', (connection) => connection.on('error', () => {}));

  function checkOpen(): void {
    if (closed) throw new StoreError('store_unavailable', `the store on Postgres at ${place} is closed`);
  }

  async function faultless<T>(work: () => Promise<T>): Promise<T> {
    checkOpen();
    try {
      return await work();
    } catch (error) {
      throw storeFault(error, place);
    }
  }

  function connectionOfItsOwn(more: ClientConfig = {}): Client {
    checkOpen();
    const made = new Client({ ...settings, ...more });
    made.on('error', () => {});
    apart.add(made);
    made.once('end', () => apart.delete(made));
    return made;
  }

  return {
    place,
    query: <Row extends object>(
      { name, text }: Statement,
      values: readonly Value[] = [],
      millisMax = patienceMillis,
    ): Promise<Row[]> =>
      faultless(async () => {
        const connection = await pool.connect();
        try {
          const asked = { name, text, values: [...values], query_timeout: millisMax };
          const { rows } = await connection.query<Row>(asked);
          connection.release();
          return rows;
        } catch (error) {
          // Destroyed unless the server answered: an answer that comes late must not meet the next question.
          connection.release(!isAnswer(error));
          throw error;
        }
      }),
    transaction: (work) =>
      faultless(async () => {
        const connection = connectionOfItsOwn({
          statement_timeout: migrationMillisMax,
          query_timeout: migrationMillisMax,
        });
        await connection.connect();
        try {
          await connection.query('BEGIN');
          const result = await work(connection);
          await connection.query('COMMIT');
          return result;
        } finally {
          // Ending the connection rolls back what was not committed.
          await connection.end();
        }
      }),
    client: () => connectionOfItsOwn(),
    async close() {
      if (closed) return;
      closed = true;
      const ended = Promise.all([pool.end(), ...[...apart].map((each) => each.end())]);
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise((resolve) => (timer = setTimeout(resolve, closeMillisMax)));
      await Promise.race([ended.catch(() => {}), late]);
      clearTimeout(timer);
      for (const socket of sockets) socket.destroy();
    },
  };
}

function placeOf(url: string): string {
  const { hostname, port, pathname } = new URL(url);
  return `${hostname === '' ? 'its socket' : hostname}${port === '' ? '' : `:${port}`}${pathname}`;
}
