import type { RollupMeasure } from '../../core/rollup.ts';
import { isUnstorable, type DecisionRow } from '../../core/store.ts';
import { uuid } from '../../crypto/random.ts';
import type { Value } from './database.ts';

type Measures = readonly RollupMeasure[];

interface Batch {
  /** Of a writer's batches each has a higher one than the last. */
  readonly mark: number;
  readonly rows: readonly DecisionRow[];
  readonly measures: Measures;
  readonly values: readonly Value[];
}

/** How batches are put together and sent. `send` adds nothing where the writer's last batch has this mark or a higher one. */
export interface BatchParts {
  values(rows: readonly DecisionRow[], measures: Measures): readonly Value[];
  send(values: readonly Value[], writer: string, mark: number): Promise<unknown>;
}

/**
 * Adds rows once, although answers are lost: a batch of which it is not known whether it was taken is sent again as it was, under the
 * same mark, before what has come since. So it is added once too when the first attempt arrives after the second.
 */
export function decisionBatches({ values, send }: BatchParts) {
  const writer = uuid();
  let counter = 0;
  /** What was sent since rows were last added for good, in its order. */
  let unsure: Batch[] = [];
  let before: Promise<unknown> = Promise.resolve();

  /** Whoever was told that it failed adds the same again, with more behind it, or has given it up. */
  function isAgain(rows: readonly DecisionRow[], measures: Measures): boolean {
    const [batch] = unsure;
    return batch !== undefined && (batch.rows.length > 0 ? batch.rows[0] === rows[0] : batch.measures === measures);
  }

  /** What cannot be held was not taken, that much is sure: its rows may come again in other batches. */
  async function sent(batch: Batch): Promise<void> {
    try {
      await send(batch.values, writer, batch.mark);
    } catch (error) {
      if (isUnstorable(error)) unsure = unsure.filter((one) => one !== batch);
      throw error;
    }
  }

  async function add(rows: readonly DecisionRow[], measures: Measures): Promise<void> {
    if (!isAgain(rows, measures)) unsure = [];
    for (const batch of unsure) await sent(batch);
    const left = rows.slice(unsure.reduce((sum, batch) => sum + batch.rows.length, 0));
    const leftMeasures = unsure.some((batch) => batch.measures === measures) ? [] : measures;
    if (left.length + leftMeasures.length > 0) {
      counter += 1;
      const batch = { mark: counter, rows: left, measures, values: values(left, leftMeasures) };
      unsure.push(batch);
      await sent(batch);
    }
    unsure = beyond(rows.length);
  }

  /** What was sent behind so many rows. It is kept, and whoever has asked for less since will bring it again. */
  function beyond(count: number): Batch[] {
    return unsure.flatMap((batch) => {
      const rows = batch.rows.slice(count);
      count = Math.max(0, count - batch.rows.length);
      return rows.length === 0 ? [] : [{ ...batch, rows }];
    });
  }

  return {
    /** One after the other: a batch that was overtaken by a later one would count as added. */
    once(rows: readonly DecisionRow[], measures: Measures): Promise<void> {
      const added = before.then(() => add(rows, measures));
      before = added.catch(() => undefined);
      return added;
    },
  };
}
