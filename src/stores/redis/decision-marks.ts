import type { RollupMeasure } from '../../core/rollup.ts';
import type { DecisionRow } from '../../core/store.ts';
import { uuid } from '../../crypto/random.ts';
import type { Server, Value } from './server.ts';

/** Sent at once: the rows, and what was measured meanwhile. */
interface Batch {
  readonly rows: readonly DecisionRow[];
  readonly measures: readonly RollupMeasure[];
}

/** One of which it is not known whether it was taken. */
interface Unsure {
  readonly mark: string;
  readonly first: DecisionRow | undefined;
  readonly count: number;
  readonly measures: Batch['measures'];
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

  /** What of a batch is still to be added. */
  async function leftOf({ rows, measures }: Batch): Promise<Batch> {
    const held = String((await server.ask((client) => client.get(`countersign:decisions-writer:${writer}`))) ?? '0');
    const taken = unsure.find(({ mark }) => mark === held);
    // Neither ours nor the last one: the server was emptied, or is one that lacks what was added last.
    last = held;
    const isAgain = taken && (taken.count > 0 ? taken.first === rows[0] : taken.measures === measures);
    if (!isAgain) return { rows, measures };
    return { rows: rows.slice(taken.count), measures: taken.measures === measures ? [] : measures };
  }

  return {
    /** `values`: of the script that adds a batch, for what is left of it. One attempt at a time. */
    async once(batch: Batch, values: (left: Batch) => Value[]): Promise<void> {
      for (let asks = unsure.length > 0; ; asks = true) {
        const left = asks ? await leftOf(batch) : batch;
        if (left.rows.length + left.measures.length === 0) break;
        counter += 1;
        const { rows, measures } = batch;
        const attempt = { mark: String(counter), first: rows[0], count: rows.length, measures };
        unsure = [...unsure.slice(1 - unsureMax), attempt];
        const done = await server.run('decisionsAppend', ...values(left), writer, last, counter);
        if (Number(done) === 0) continue;
        last = attempt.mark;
        break;
      }
      unsure = [];
    },
  };
}
