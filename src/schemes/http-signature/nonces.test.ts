import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../../test/fixtures/properties.ts';
import { nonces } from './nonces.ts';

const lifeSeconds = (): number => 90;

test('a nonce is fresh once, for as long as it could be replayed', () => {
  const seen = nonces({ lifeSeconds, capacity: 1000 });
  assert.equal(seen.use('key', 'n', 0), 'fresh');
  for (const now of [0, 45, 89, 90, 179]) assert.equal(seen.use('key', 'n', now), 'replayed', `after ${now} s`);
  assert.equal(seen.use('key', 'n', 180), 'fresh');
});

test('a nonce belongs to its key', () => {
  const seen = nonces({ lifeSeconds, capacity: 1000 });
  assert.equal(seen.use('a', 'bc', 0), 'fresh');
  assert.equal(seen.use('ab', 'c', 0), 'fresh');
  assert.equal(seen.use('a', 'bc', 0), 'replayed');
});

test('two generations of silence forget everything', () => {
  const seen = nonces({ lifeSeconds, capacity: 1000 });
  seen.use('key', 'n', 0);
  assert.equal(seen.use('key', 'n', 1_000), 'fresh');
});

test('a full generation refuses instead of forgetting', () => {
  const seen = nonces({ lifeSeconds, capacity: 3 });
  for (const nonce of ['1', '2', '3']) assert.equal(seen.use('key', nonce, 0), 'fresh');
  assert.equal(seen.use('key', '4', 0), 'full');
  assert.equal(seen.use('key', '1', 0), 'replayed');
  assert.equal(seen.use('key', '4', 90), 'fresh');
});

test('a life that grows keeps what is held for longer', () => {
  let life = 90;
  const seen = nonces({ lifeSeconds: () => life, capacity: 10 });
  seen.use('key', 'n', 0);
  life = 300;
  for (const now of [91, 299, 301]) assert.equal(seen.use('key', 'n', now), 'replayed', `after ${now} s`);
});

test('agrees with a plain map of times over random use: never fresh within a life, and always after two', () => {
  const use = fc.record({ nonce: fc.nat(300), wait: fc.oneof(fc.constant(0), fc.nat(40), fc.nat(400)) });
  fc.assert(
    fc.property(fc.array(use, { maxLength: 3_000 }), (uses) => {
      const seen = nonces({ lifeSeconds, capacity: 100_000 });
      const usedAt = new Map<number, number>();
      let now = 0;
      for (const { nonce, wait } of uses) {
        now += wait;
        const age = now - (usedAt.get(nonce) ?? Number.NEGATIVE_INFINITY);
        const answer = seen.use('key', String(nonce), now);
        if (age <= 90) assert.equal(answer, 'replayed', `after ${age} s`);
        if (age >= 180) assert.equal(answer, 'fresh', `after ${age} s`);
        if (answer === 'fresh') usedAt.set(nonce, now);
      }
    }),
    { numRuns: 50 },
  );
});

test('a million live nonces take at most 40 MiB, and each of them is known', () => {
  const seen = nonces({ lifeSeconds, capacity: 1_000_000 });
  for (let index = 0; index < 1_000_000; index += 1)
    assert.equal(seen.use('key', `n${index}`, index < 500_000 ? 0 : 90), 'fresh');
  assert.equal(seen.size, 1_000_000);
  assert.ok(seen.bytes <= 40 * 1024 * 1024, `${seen.bytes} bytes`);
  for (let index = 0; index < 1_000_000; index += 997) assert.equal(seen.use('key', `n${index}`, 90), 'replayed');
});
