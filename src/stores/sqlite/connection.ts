import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { isBusy } from './fault.ts';

/** One connection. Statements are prepared once and kept; all throw what node:sqlite throws. */
export interface Connection {
  /** Resolves to how many rows were changed. */
  run(sql: string, ...values: SQLInputValue[]): number;
  get<Row>(sql: string, ...values: SQLInputValue[]): Row | null;
  all<Row>(sql: string, ...values: SQLInputValue[]): Row[];
  /** Each row as the values of its columns: half the cost of objects. */
  arrays<Row extends readonly unknown[]>(sql: string, ...values: SQLInputValue[]): Row[];
  /** Does the work in one transaction, which holds the write lock from its start so that it cannot fail midway for want of it. */
  transaction<T>(work: () => T): T;
  close(): void;
}

export interface ConnectionOptions {
  /** FULL: what is acknowledged survives a power cut. NORMAL: it survives the process, and the file stays whole. */
  readonly synchronous: 'FULL' | 'NORMAL';
  /** How long to wait for another process' write; the event loop waits too. */
  readonly busyMillis: number;
}

// What the log may keep on the disk after a burst of writes.
const walBytesMax = 64 * 1024 * 1024;

export function openConnection(file: string, { synchronous, busyMillis }: ConnectionOptions): Connection {
  const database = new DatabaseSync(file, { timeout: busyMillis });
  try {
    patiently(busyMillis, () => database.exec('PRAGMA journal_mode = WAL'));
    database.exec(`PRAGMA synchronous = ${synchronous}; PRAGMA journal_size_limit = ${walBytesMax}`);
  } catch (error) {
    database.close();
    throw error;
  }
  const objects = statements(database, () => undefined);
  const values = statements(database, (statement) => statement.setReturnArrays(true));
  // Each run tells the number of the last row too, and from Node 26 on throws where that is too great for a JavaScript number.
  const writes = statements(database, (statement) => statement.setReadBigInts(true));

  return {
    run: (sql, ...given) => Number(writes(sql).run(...given).changes),
    get: <Row>(sql: string, ...given: SQLInputValue[]) => (objects(sql).get(...given) as Row | undefined) ?? null,
    all: <Row>(sql: string, ...given: SQLInputValue[]) => objects(sql).all(...given) as Row[],
    arrays: <Row extends readonly unknown[]>(sql: string, ...given: SQLInputValue[]) =>
      values(sql).all(...given) as unknown as Row[],
    transaction(work) {
      writes('BEGIN IMMEDIATE').run();
      try {
        const result = work();
        writes('COMMIT').run();
        return result;
      } catch (error) {
        // Some faults (a full disk) have rolled back already.
        if (database.isTransaction) writes('ROLLBACK').run();
        throw error;
      }
    },
    close: () => database.close(),
  };
}

/** Each statement prepared when it is first asked for, in the way in which it is to answer. */
function statements(
  database: DatabaseSync,
  prepare: (statement: StatementSync) => void,
): (sql: string) => StatementSync {
  const known = new Map<string, StatementSync>();
  return (sql) => {
    let statement = known.get(sql);
    if (!statement) {
      statement = database.prepare(sql);
      prepare(statement);
      known.set(sql, statement);
    }
    return statement;
  };
}

/** Turning the log on does not heed the busy time-out when several processes do it at once; so it is tried again here. */
function patiently(millis: number, work: () => void): void {
  const until = Date.now() + millis;
  const bell = new Int32Array(new SharedArrayBuffer(4));
  for (;;) {
    try {
      work();
      return;
    } catch (error) {
      if (!isBusy(error) || Date.now() >= until) throw error;
      Atomics.wait(bell, 0, 0, 10);
    }
  }
}
