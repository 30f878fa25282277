import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RefusalGroup } from '../../audit/report/refusal-groups.ts';
import { strangersIn } from './predicted-refusals.ts';

function refusal(details: Partial<RefusalGroup>): RefusalGroup {
  return {
    caller: '',
    service: 'npu',
    route: '/run',
    reason: 'missing_credentials',
    count: 3,
    first_seen: '',
    last_seen: '',
    client_addresses: ['10.0.0.1'],
    address_count: 1,
    example_request_id: 'r1',
    ...details,
  };
}

const isKnown = (caller: string): boolean => caller === 'service:aidb';

test('a probe of sixty services is one stranger, and so is a crowd at one', () => {
  const probes = Array.from({ length: 60 }, (_, index) => refusal({ service: `s${index}`, route: '*' }));
  const many = { client_addresses: ['10.0.0.9', '10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5'] };
  const found = strangersIn(
    [...probes, refusal({ ...many, address_count: 40 }), refusal({ caller: 'service:aidb' })],
    isKnown,
  );
  assert.deepEqual(found, [
    {
      who: '(unnamed) from 10.0.0.1',
      routes: 's0/*, s1/*, s2/*, 57 more',
      reason: 'missing_credentials',
      requests: 180,
    },
    {
      who: '(unnamed) from 10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, 10.0.0.5, 35 more',
      routes: 'npu/run',
      reason: 'missing_credentials',
      requests: 3,
    },
  ]);
});

test('whoever only claims a name that nobody has is told by it', () => {
  const found = strangersIn([refusal({ caller: 'service:unheard?', reason: 'unknown_service' })], isKnown);
  assert.deepEqual(
    found.map(({ who, reason }) => [who, reason]),
    [['service:unheard?', 'unknown_service']],
  );
});
