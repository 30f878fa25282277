import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StoreError } from '../../core/store.ts';
import { decisionRow } from '../store.fixtures.ts';
import { decisionBatches } from './decision-batches.ts';

/** As the database does it. `fates`: of one attempt after the other whether it is taken, and whether that is heard of. */
function ground(fates: readonly ('done' | 'unheard' | 'untaken')[]) {
  const kept: string[] = [];
  let highest = 0;
  let attempt = 0;
  const batches = decisionBatches({
    values: (rows, measures) => [rows.map(({ requestId }) => requestId), measures.map(({ name }) => name)],
    async send(values, _writer, mark) {
      const fate = fates[attempt] ?? 'done';
      attempt += 1;
      if (fate !== 'untaken' && values.flat().includes('never'))
        throw new StoreError('store_unavailable', 'never', { unstorable: true });
      if (fate !== 'untaken' && mark > highest) {
        highest = mark;
        kept.push(...(values.flat() as string[]));
      }
      if (fate !== 'done') throw new Error(fate);
    },
  });
  return { batches, kept };
}

const rows = [1, 2, 3, 4].map((number) => decisionRow(number));
const measure = {
  bucketSeconds: 60,
  start: 0,
  kind: 'answer',
  name: 'm',
  slot: 1,
  count: 1,
  least: 1,
  most: 1,
} as const;

test('rows and measures are kept once, whatever of the attempts was taken and not heard of', async () => {
  const ways = ['done', 'unheard', 'untaken'] as const;
  for (const first of ways)
    for (const second of ways)
      for (const third of ways)
        for (const fourth of ways) {
          const fates = [first, second, third, fourth];
          const { batches, kept } = ground(fates);
          // As the recorder does: what waits is sent until it is acknowledged, and meanwhile more comes.
          let waiting: typeof rows = [];
          let measures: readonly (typeof measure)[] = [measure];
          for (let come = 0; come < rows.length || waiting.length > 0; come += 1) {
            waiting = [...waiting, ...rows.slice(come, come + 1)];
            const added = batches.once(waiting, measures);
            await added.then(
              () => ([waiting, measures] = [[], []]),
              () => undefined,
            );
          }
          assert.deepEqual(
            kept.filter((name) => name !== 'm'),
            ['r1', 'r2', 'r3', 'r4'],
            fates.join(),
          );
          assert.equal(kept.length, 5, fates.join());
        }
});

test('rows are kept once, whichever of them can never be kept and whatever of the attempts is heard of', async () => {
  const ways = ['done', 'unheard', 'untaken'] as const;
  const come = [1, 2, 3, 4, 5, 6, 7, 8].map((number) => decisionRow(number));
  for (const bad of come.keys())
    for (const first of ways)
      for (const second of ways)
        for (const third of ways) {
          const fates = [first, second, third];
          const { batches, kept } = ground(fates);
          // As the recorder does: the row that can never be kept is looked for by halves.
          let waiting = come.slice(0, 3).map((row, index) => (index === bad ? { ...row, requestId: 'never' } : row));
          let more = come.slice(3).map((row, index) => (index + 3 === bad ? { ...row, requestId: 'never' } : row));
          let most = 8;
          for (; waiting.length > 0; [waiting, more] = [[...waiting, ...more], []]) {
            const batch = waiting.slice(0, most);
            await batches.once(batch, []).then(
              () => {
                waiting = waiting.slice(batch.length);
                most = Math.min(8, most * 2);
              },
              (error: unknown) => {
                if (!(error instanceof StoreError)) return;
                if (batch.length === 1) waiting = waiting.slice(1);
                else most = Math.ceil(batch.length / 2);
              },
            );
          }
          const expected = come.filter((_, index) => index !== bad).map(({ requestId }) => requestId);
          assert.deepEqual(kept, expected, `${bad} ${fates.join()}`);
        }
});

test('what is added while something else is under way comes behind it', async () => {
  const { batches, kept } = ground([]);
  await Promise.all(rows.map((row) => batches.once([row], [])));
  assert.deepEqual(kept, ['r1', 'r2', 'r3', 'r4']);
});
