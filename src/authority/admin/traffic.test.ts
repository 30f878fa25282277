import assert from 'node:assert/strict';
import { test } from 'node:test';
import { adminToken, bearer, startAuthority } from '../../../test/fixtures/authority-stack.ts';
import { decisionRow } from '../../stores/store.fixtures.ts';

test('a call that its service did not answer is one call, and none that was refused', async (t) => {
  const { adminOrigin, stack } = await startAuthority(t);
  const time = stack.clock();
  await stack.store.decisions.append([
    decisionRow(1, { time }),
    decisionRow(2, { time, outcome: 'deny', mode: 'enforce', reason: 'upstream_timeout', durationMicros: 0 }),
    decisionRow(3, { time, outcome: 'deny', mode: 'enforce', reason: 'not_allowed' }),
  ]);
  const answer = await fetch(`${adminOrigin}/admin/api/traffic?since=1h`, { headers: bearer(adminToken) });
  const { data } = (await answer.json()) as { data: { edges: object[]; buckets: Record<string, number>[] } };
  assert.deepEqual(
    data.edges.map((edge) => ({ ...edge, last_seen: '' })),
    [{ caller: 'service:web', service: 'embeddings', allow: 1, deny: 1, would_deny: 0, public: 0, last_seen: '' }],
  );
  assert.equal(
    data.buckets.reduce((sum, { allow = 0, deny = 0 }) => sum + allow + deny, 0),
    2,
  );
});
