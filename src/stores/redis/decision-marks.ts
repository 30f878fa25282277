import type { DecisionRow } from '../../core/store.ts';
import { uuid } from '../../crypto/random.ts';
import type { Server, Value } from './server.ts';

/** Rows that were sent, and of which it is not known whether they were taken. */
interface Unsure {
  readonly mark: string;
  readonly first: DecisionRow | undefined;
  readonly count: number;
}

/** A long outage is many attempts; only one of the last can have been taken. */
const unsureMax = 1000;

/**
 * Adds rows once, although answers are lost: whoever adds them again, with more behind them, adds what is not there yet. Each attempt has
 * a number, and is only done where the last one that was done is the one known here; so an attempt that arrives late does nothing.
 */
export function marks(server: Server) {
  const writer = uuid();
  let counter = 0;
  let last = '0';
  let unsure: Unsure[] = [];

  async function kept(rows: readonly DecisionRow[]): Promise<number> {
    const held = String((await server.ask((client) => client.get(`countersign:decisions-writer:${writer}`))) ?? '0');
    const taken = unsure.find(({ mark }) => mark === held);
    // Neither ours nor the last one: the server was emptied, or is one that lacks what was added last.
    last = held;
    return taken && taken.first === rows[0] ? taken.count : 0;
  }

  return {
    /** `values`: of the script that adds rows, for those that are left. One attempt at a time. */
    async once(rows: readonly DecisionRow[], values: (rows: readonly DecisionRow[]) => Value[]): Promise<void> {
      for (let asks = unsure.length > 0; ; asks = true) {
        const known = asks ? await kept(rows) : 0;
        if (known > 0 && known >= rows.length) break;
        counter += 1;
        const attempt = { mark: String(counter), first: rows[0], count: rows.length };
        unsure = [...unsure.slice(1 - unsureMax), attempt];
        const done = await server.run('decisionsAppend', ...values(rows.slice(known)), writer, last, counter);
        if (Number(done) === 0) continue;
        last = attempt.mark;
        break;
      }
      unsure = [];
    },
  };
}
