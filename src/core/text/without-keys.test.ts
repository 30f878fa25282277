import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withoutKeys } from './without-keys.ts';

test('of a key only what is public or tells it from others stays in a text', () => {
  const own = 'cs_hs_BYPmDVPWrt_XrMxTabcdeUKJSYLoWNAJrvIhgpdufgqaWmVJCqcdjabvfrok';
  assert.equal(
    withoutKeys(`the file /stack/${own} does not exist`),
    'the file /stack/cs_hs_BYPmDVPWrt_… does not exist',
  );
  assert.equal(withoutKeys(`"${own.slice(0, 57)}…`), '"cs_hs_BYPmDVPWrt_……');
  assert.equal(withoutKeys(`unknown caller "${'0123456789abcdef'.repeat(4)}"`), 'unknown caller "0123…"');
  assert.equal(withoutKeys('sk-proj-q7Rk2mXw01q7Rk2mXw01q7Rk2mXw01'), 'sk-p…');
});

test('names, paths and numbers stay as they are', () => {
  for (const text of [
    'the file /srv/ai-stack/2026-11-27/hybrid_coordinator_api_key does not exist',
    'a-service-with-a-very-long-name-of-many-words',
    '12345678901234567890123456789012345678901234567890',
    'cs_sk_4fTq0ZkP1a',
  ])
    assert.equal(withoutKeys(text), text);
});
