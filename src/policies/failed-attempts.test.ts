import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StoreError, type LimitStore } from '../core/store.ts';
import { deny, type Reason } from '../core/verdict.ts';
import { memoryStore } from '../stores/memory/store.ts';
import { failedAttempts } from './failed-attempts.ts';
import { requestWith } from '../../test/fixtures/asked.ts';

function counting() {
  let now = 1_000_000;
  const onRefused = failedAttempts({
    limits: memoryStore().limits,
    clock: () => now,
    limit: 3,
    windowSeconds: 300,
  });
  return {
    pass(seconds: number) {
      now += seconds;
    },
    refuse: async (reason: Reason, remoteAddress = '10.0.0.7') =>
      onRefused(deny(reason, 'a note', { scheme: 'api-key', presentedAs: 'bearer' }), requestWith({ remoteAddress })),
    onRefused,
  };
}

async function away(): Promise<never> {
  throw new StoreError('store_unavailable', 'away');
}

test('wrong secrets above the limit are rate limited until the window ends', async () => {
  const { refuse, pass } = counting();
  assert.equal((await refuse('invalid_credentials')).reason, 'invalid_credentials');
  assert.equal((await refuse('invalid_signature')).reason, 'invalid_signature');
  assert.equal((await refuse('unknown_service')).reason, 'unknown_service');
  const fourth = await refuse('invalid_credentials');
  assert.equal(fourth.reason, 'rate_limited');
  assert.equal(fourth.retryAfter, 300);
  assert.equal(fourth.scheme, 'api-key');
  pass(300);
  assert.equal((await refuse('invalid_credentials')).reason, 'invalid_credentials');
});

test('nothing but a wrong secret is counted, or changed when the limit is reached', async () => {
  const { refuse } = counting();
  const others: Reason[] = [
    'missing_credentials',
    'malformed_credentials',
    'expired',
    'revoked',
    'timestamp_outside_window',
    'replayed',
  ];
  for (const reason of others)
    for (let time = 0; time < 5; time += 1) assert.equal((await refuse(reason)).reason, reason);
  for (let time = 0; time < 3; time += 1)
    assert.equal((await refuse('invalid_credentials')).reason, 'invalid_credentials');
  assert.equal((await refuse('invalid_credentials')).reason, 'rate_limited');
  for (const reason of others) assert.equal((await refuse(reason)).reason, reason);
});

test('one address does not use up the limit of another', async () => {
  const { refuse } = counting();
  for (let time = 0; time < 4; time += 1) await refuse('invalid_credentials');
  assert.equal((await refuse('invalid_credentials')).reason, 'rate_limited');
  assert.equal((await refuse('invalid_credentials', '10.0.0.8')).reason, 'invalid_credentials');
});

test('what has a gate of its own, or is a right secret in the wrong place, is no guess here', async () => {
  const { onRefused } = counting();
  const elsewhere = { caller: { id: 'holder:embeddings', proven: true } };
  for (const details of [{ presentedAs: 'override' as const }, elsewhere]) {
    const denied = deny('invalid_credentials', 'a note', details);
    for (let time = 0; time < 5; time += 1) assert.equal(await onRefused(denied, requestWith({})), denied);
  }
});

test('a store that is away leaves the refusal as it was decided', async () => {
  const limits: LimitStore = { take: away, peek: away, once: away };
  const onRefused = failedAttempts({ limits, clock: () => 0, limit: 3, windowSeconds: 300 });
  const denied = deny('invalid_credentials', 'a note');
  assert.equal(await onRefused(denied, requestWith({})), denied);
});
