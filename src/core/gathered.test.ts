import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/fixtures/properties.ts';
import { Gathered } from './gathered.ts';

test('pieces are put together in their order, and what was taken of them stays what it was', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), (pieces) => {
      const gathered = new Gathered();
      const taken: [Buffer, Buffer][] = [];
      for (const [index, piece] of pieces.entries()) {
        gathered.push(piece);
        taken.push([gathered.whole(), Buffer.concat(pieces.slice(0, index + 1))]);
      }
      for (const [is, was] of taken) assert.deepEqual(is, was);
      assert.equal(gathered.size, Buffer.concat(pieces).length);
    }),
  );
});

test('a million pieces of one byte take a million bytes, or twice as many', () => {
  const gathered = new Gathered();
  const piece = Buffer.from('a');
  for (let count = 0; count < 1_000_000; count += 1) gathered.push(piece);
  assert.equal(gathered.whole().length, 1_000_000);
  assert.ok(gathered.whole().buffer.byteLength <= 2_000_000);
});
