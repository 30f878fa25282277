import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OTHERS } from '../core/rollup.ts';
import { rollUp } from './roll-up.ts';
import { decisionRow } from './store.fixtures.ts';

const limits = { proven: 6, ofOneCaller: 4, strangers: 4, ofOneAddress: 2 };
const stranger = { outcome: 'deny', reason: 'unknown_service', principal: '' } as const;

/** Caller and address of each group of one minute, with its count. */
function minuteOf(rolled: ReturnType<ReturnType<typeof rollUp>>): string[] {
  return rolled.groups
    .filter(({ bucketSeconds }) => bucketSeconds === 60)
    .map(({ caller, clientAddress, count }) => `${caller} ${clientAddress} ${count}`);
}

test('a place that uses many names keeps its address, and leaves room for others', () => {
  const rolled = rollUp(limits);
  const flood = Array.from({ length: 10 }, (_, index) =>
    decisionRow(1, { ...stranger, claimed: `x${index}`, clientAddress: '10.6.6.6' }),
  );
  assert.deepEqual(minuteOf(rolled(flood)), ['x0? 10.6.6.6 1', 'x1? 10.6.6.6 1', `${OTHERS} 10.6.6.6 8`]);
  const another = decisionRow(2, { ...stranger, claimed: 'aidb', clientAddress: '10.0.0.7' });
  assert.deepEqual(minuteOf(rolled([another])), ['aidb? 10.0.0.7 1']);
  // Four are told apart now: whoever comes next is one of the others.
  assert.deepEqual(minuteOf(rolled([decisionRow(2, { ...stranger, clientAddress: '10.0.0.9' })])), [
    `${OTHERS} ${OTHERS} 1`,
  ]);
});

test('a proven caller that comes from many places keeps its name, and strangers take nothing from it', () => {
  const rolled = rollUp(limits);
  rolled(Array.from({ length: 9 }, (_, index) => decisionRow(1, { ...stranger, clientAddress: `10.6.6.${index}` })));
  const places = Array.from({ length: 7 }, (_, index) => decisionRow(1, { clientAddress: `10.0.0.${index}` }));
  assert.deepEqual(minuteOf(rolled(places)), [
    ...[0, 1, 2, 3].map((index) => `service:web 10.0.0.${index} 1`),
    `service:web ${OTHERS} 3`,
  ]);
});

test('what a bucket tells apart stays told apart, batch after batch, and the next bucket begins anew', () => {
  const rolled = rollUp(limits);
  const rows = Array.from({ length: 4 }, (_, index) => decisionRow(1, { ...stranger, claimed: `x${index}` }));
  const first = minuteOf(rolled(rows));
  assert.deepEqual(minuteOf(rolled(rows)), first);
  const later = rows.map((row) => ({ ...row, time: row.time + 60 }));
  assert.deepEqual(minuteOf(rolled(later)), first);
});
