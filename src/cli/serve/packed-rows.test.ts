import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../../test/fixtures/properties.ts';
import { rowWith } from '../../audit/audit.fixtures.ts';
import type { DecisionRow } from '../../core/store.ts';
import { packed, unpacked } from './packed-rows.ts';

const few = fc.constantFrom('', 'a', 'b');
/** Rows that often differ in one thing only. */
const row: fc.Arbitrary<DecisionRow> = fc
  .record({
    outcome: fc.constantFrom('allow' as const, 'deny' as const),
    mode: fc.constantFrom('report' as const, 'enforce' as const),
    reason: few,
    note: few,
    service: few,
    route: few,
    method: few,
    path: few,
    principal: few,
    claimed: few,
    scheme: few,
    credentialId: few,
    clientAddress: few,
    requestId: fc.uuid(),
    time: fc.double({ noNaN: true }),
    skewSeconds: fc.option(fc.double({ noNaN: true })),
    durationMicros: fc.double({ noNaN: true }),
  })
  .map((parts) => rowWith(parts));

test('rows are what they were on the other side, in their order', () => {
  fc.assert(
    fc.property(fc.array(row, { maxLength: 200 }), (rows) => {
      assert.deepEqual(unpacked(structuredClone(packed(rows))), rows);
    }),
  );
});

test('what rows have in common goes over once', () => {
  const alike = Array.from({ length: 500 }, (_, index) => rowWith({ requestId: `${index}` }));
  const others = alike.map((one, index) => ({ ...one, route: `/${index % 20}` }));
  assert.equal(packed(alike).kinds.length * 20, packed(others).kinds.length);
});
