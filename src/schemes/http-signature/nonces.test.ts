import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { nonces } from './nonces.ts';

test('a nonce is fresh once, for as long as it could be replayed', () => {
  const seen = nonces({ lifeSeconds: 90, capacity: 1000 });
  assert.equal(seen.use(1, 2, 0), 'fresh');
  for (const now of [0, 45, 89, 90, 179]) assert.equal(seen.use(1, 2, now), 'replayed', `after ${now} s`);
  assert.equal(seen.use(1, 2, 180), 'fresh');
});

test('two generations of silence forget everything', () => {
  const seen = nonces({ lifeSeconds: 90, capacity: 1000 });
  seen.use(1, 2, 0);
  assert.equal(seen.use(1, 2, 1_000), 'fresh');
});

test('a full generation refuses instead of forgetting', () => {
  const seen = nonces({ lifeSeconds: 90, capacity: 3 });
  for (const low of [1, 2, 3]) assert.equal(seen.use(0, low, 0), 'fresh');
  assert.equal(seen.use(0, 4, 0), 'full');
  assert.equal(seen.use(0, 1, 0), 'replayed');
  assert.equal(seen.use(0, 4, 90), 'fresh');
});

test('agrees with a plain set over random use, across growth', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(3), fc.nat(5_000)), { maxLength: 4_000 }), (uses) => {
      const seen = nonces({ lifeSeconds: 90, capacity: 100_000 });
      const oracle = new Set<string>();
      for (const [high, low] of uses) {
        const name = high === 0 && low === 0 ? '0.1' : `${high}.${low}`;
        assert.equal(seen.use(high, low, 0), oracle.has(name) ? 'replayed' : 'fresh');
        oracle.add(name);
      }
    }),
    { numRuns: 30 },
  );
});

test('a million live nonces take at most 40 MiB', () => {
  const seen = nonces({ lifeSeconds: 90, capacity: 1_000_000 });
  let state = 1;
  const next = (): number => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0);
  for (let index = 0; index < 1_000_000; index += 1) seen.use(next(), index ^ next(), 0);
  assert.equal(seen.size, 1_000_000);
  assert.ok(seen.bytes <= 40 * 1024 * 1024, `${seen.bytes} bytes`);
});
