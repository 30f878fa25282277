import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DecisionRow } from '../core/store.ts';
import { memoryStore } from '../stores/memory/store.ts';
import { rowWith } from './audit-fixtures.test.ts';
import { report } from './report.ts';
import { reportText, verdictLine } from './report-text.ts';

const start = 1_795_000_000;
const period = { since: start, until: start + 3600 };

async function reportOn(...rows: Partial<DecisionRow>[]) {
  const { decisions } = memoryStore();
  await decisions.append(rows.map((row) => rowWith({ time: start + 1, ...row })));
  return report(decisions, period);
}

const wouldDeny = { outcome: 'would_deny', mode: 'report', reason: 'invalid_credentials', principal: '' } as const;

test('the totals stand at the top, and a request counts once', async () => {
  const found = await reportOn(
    {},
    {},
    { outcome: 'public', principal: '' },
    { outcome: 'deny', reason: 'expired' },
    wouldDeny,
    { outcome: 'deny', reason: 'upstream_timeout' },
    { time: start - 1 },
    { time: start + 4000 },
  );
  const { requests, allowed, denied, would_deny, upstream_failures } = found;
  assert.deepEqual(
    { requests, allowed, denied, would_deny, public: found.public, upstream_failures },
    {
      requests: 5,
      allowed: 2,
      denied: 1,
      would_deny: 1,
      public: 1,
      upstream_failures: 1,
    },
  );
  assert.deepEqual([found.since, found.until], ['2026-11-18T11:06:40Z', '2026-11-18T12:06:40Z']);
  assert.deepEqual({ ...found.by_reason }, { expired: 1, invalid_credentials: 1 });
});

test('what would be denied is grouped by caller, route and reason, with an example', async () => {
  const found = await reportOn(
    { ...wouldDeny, claimed: 'service:aidb', clientAddress: '10.0.0.7', time: start + 10, requestId: 'r1' },
    { ...wouldDeny, claimed: 'service:aidb', clientAddress: '10.0.0.8', time: start + 30, requestId: 'r3' },
    { ...wouldDeny, claimed: 'service:aidb', clientAddress: '10.0.0.7', time: start + 20, requestId: 'r2' },
    { ...wouldDeny, reason: 'missing_credentials', time: start + 5, requestId: 'r0' },
  );
  assert.deepEqual(found.would_deny_groups, [
    {
      caller: 'service:aidb?',
      service: 'embeddings',
      route: '/embed',
      reason: 'invalid_credentials',
      count: 3,
      first_seen: '2026-11-18T11:06:50Z',
      last_seen: '2026-11-18T11:07:10Z',
      client_addresses: ['10.0.0.7', '10.0.0.8'],
      example_request_id: 'r3',
    },
    {
      caller: '',
      service: 'embeddings',
      route: '/embed',
      reason: 'missing_credentials',
      count: 1,
      first_seen: '2026-11-18T11:06:45Z',
      last_seen: '2026-11-18T11:06:45Z',
      client_addresses: ['10.0.0.7'],
      example_request_id: 'r0',
    },
  ]);
  assert.deepEqual(found.denied_groups, []);
});

test('callers, services and endpoints each have their totals', async () => {
  const found = await reportOn({}, {}, { service: 'aidb', route: '*', principal: 'token:1' }, wouldDeny);
  assert.deepEqual(found.callers, [
    { caller: '', requests: 1, allowed: 0, denied: 0, would_deny: 1, public: 0 },
    { caller: 'service:aidb', requests: 2, allowed: 2, denied: 0, would_deny: 0, public: 0 },
    { caller: 'token:1', requests: 1, allowed: 1, denied: 0, would_deny: 0, public: 0 },
  ]);
  assert.deepEqual(found.by_service.embeddings, { requests: 3, allowed: 2, denied: 0, would_deny: 1, public: 0 });
  assert.deepEqual(
    found.top_endpoints.map(({ service, route, requests }) => [service, route, requests]),
    [
      ['embeddings', '/embed', 3],
      ['aidb', '*', 1],
    ],
  );
});

test('services that callers made up are one line', async () => {
  const found = await reportOn(
    ...Array.from(
      { length: 50 },
      (_, index) => ({ outcome: 'deny', reason: 'no_such_service', service: `x${index}`, principal: '' }) as const,
    ),
  );
  assert.deepEqual(Object.keys(found.by_service), ['']);
  assert.equal(found.denied_groups.length, 1);
  assert.equal(found.denied_groups[0]?.count, 50);
});

test('the verdict says whether to enforce, and never more than was seen', async () => {
  assert.match(verdictLine(await reportOn()), /^Nothing can be said/);
  assert.match(verdictLine(await reportOn({})), /^Ready to enforce/);
  assert.match(
    verdictLine(await reportOn({}, wouldDeny, wouldDeny)),
    /^Not ready to enforce: 2 requests of callers without a name would be refused/,
  );
  const named = { ...wouldDeny, principal: 'service:aidb' } as const;
  assert.match(
    verdictLine(await reportOn(named, wouldDeny, wouldDeny)),
    /: 3 requests of 1 named caller and callers without a name would be refused/,
  );
  assert.match(
    verdictLine(await reportOn({ mode: 'off', principal: '' })),
    /^Nothing can be said.*1 request passed in mode off/,
  );
});

test('the text is plain lines that no caller can dress up', async () => {
  const text = reportText(await reportOn({}, { ...wouldDeny, claimed: 'service:\u001b[31mevil\u202e' }));
  assert.match(text, /requests {2}allowed/);
  assert.match(text, /Would be refused\ncount/);
  assert.ok(text.split('\n').every((line) => /^[ -~…�]*$/.test(line)));
});

test('a store that cannot be reached is no empty report', async () => {
  const store = memoryStore();
  await store.close();
  await assert.rejects(report(store.decisions, period), { code: 'store_unavailable' });
});
