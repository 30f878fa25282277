import assert from 'node:assert/strict';
import { test } from 'node:test';
import { knownCallers } from './known-callers.ts';
import { parseConfig } from '../load/load.ts';

const config = parseConfig('callers: [batch]\nservices: { npu: { upstream: http://127.0.0.1:9001 } }\n', {
  file: null,
  env: {},
});
const parts = { config, hasKey: (service: string) => service === 'keyed' };

const cases: readonly [caller: string, counted: boolean, ignored: boolean, why: string][] = [
  ['service:anyone', true, true, 'who is proven is ours, wherever the key came from'],
  ['service:npu?', true, false, 'a service'],
  ['service:batch?', true, false, 'named under callers'],
  ['service:keyed?', true, false, 'has a key'],
  ['service:made-up?', false, false, 'a name that anybody made up'],
  ['', false, false, 'without a name'],
];
for (const [caller, counted, ignored, why] of cases)
  test(`${caller || 'nobody'}: ${why}`, () => {
    assert.equal(knownCallers(parts, 'count')(caller), counted);
    assert.equal(knownCallers(parts, 'ignore')(caller), ignored);
  });
