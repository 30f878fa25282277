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
  const statements = new Map<string, StatementSync>();
  const arraysOf = new Map<string, StatementSync>();

  function prepared(sql: string): StatementSync {
    let statement = statements.get(sql);
    if (!statement) statements.set(sql, (statement = database.prepare(sql)));
    return statement;
  }

  return {
    run: (sql, ...values) => Number(prepared(sql).run(...values).changes),
    get: <Row>(sql: string, ...values: SQLInputValue[]) => (prepared(sql).get(...values) as Row | undefined) ?? null,
    all: <Row>(sql: string, ...values: SQLInputValue[]) => prepared(sql).all(...values) as Row[],
    arrays<Row extends readonly unknown[]>(sql: string, ...values: SQLInputValue[]) {
      let statement = arraysOf.get(sql);
      if (!statement) {
        arraysOf.set(sql, (statement = database.prepare(sql)));
        statement.setReturnArrays(true);
      }
      return statement.all(...values) as unknown as Row[];
    },
    transaction(work) {
      prepared('BEGIN IMMEDIATE').run();
      try {
        const result = work();
        prepared('COMMIT').run();
        return result;
      } catch (error) {
        // Some faults (a full disk) have rolled back already.
        if (database.isTransaction) prepared('ROLLBACK').run();
        throw error;
      }
    },
    close() {
      statements.clear();
      arraysOf.clear();
      database.close();
    },
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
