import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressList } from '../core/address.ts';
import type { Mode } from '../core/mode.ts';
import { ruleFor } from '../../test/fixtures/asked.ts';
import { routeTable } from '../core/route-table.ts';
import type { RouteRule } from '../core/route.ts';
import type { DecisionRow } from '../core/store.ts';
import { addressesPolicy } from '../policies/addresses/index.ts';
import { routesPolicy } from '../policies/routes/index.ts';
import { scopesPolicy } from '../policies/scopes/index.ts';
import { decisionRow } from '../stores/store.fixtures.ts';
import type { Candidate, CandidateService, CredentialFacts } from './replay.ts';
import { simulate } from './simulate.ts';

const plain = ruleFor('/');

function against(
  rules: (Partial<RouteRule> & { path: string })[],
  mode: Mode = 'enforce',
  accept = ['api-key'],
): Candidate {
  const table = routeTable(
    'embeddings',
    rules.map((rule) => ({ ...plain, ...rule })),
  );
  return {
    service: (name) => (name === 'embeddings' ? { table, accept } : null),
    modeOf: (_service, _label, fileMode) => fileMode ?? mode,
    policies: [routesPolicy(), addressesPolicy(), scopesPolicy()],
  };
}

async function simulated(candidate: Candidate, rows: Partial<DecisionRow>[], facts: CredentialFacts | null = null) {
  async function* recorded() {
    for (const [index, row] of rows.entries()) yield decisionRow(index + 1, row);
  }
  return simulate({ rows: recorded(), candidate, facts: async () => facts, knows: (name) => name === 'aidb' });
}

const unsigned = { outcome: 'would_deny', reason: 'missing_credentials', principal: '', claimed: '' } as const;

test('the same rules change nothing', async () => {
  const found = await simulated(against([{ path: '/embed' }], 'report'), [
    {},
    unsigned,
    { path: '/other', route: '*' },
  ]);
  assert.equal(found.replayed, 3);
  assert.equal(found.unchanged, 3);
  assert.deepEqual([found.newly_refused, found.newly_would_deny, found.newly_allowed], [[], [], []]);
  assert.deepEqual(found.taken_from_record, { missing_credentials: 1 });
  assert.equal(found.safe, true);
});

test('a caller who is left out is newly refused, and named with an example', async () => {
  const candidate = against([{ path: '/embed', callers: ['aidb'] }]);
  const found = await simulated(candidate, [{}, {}, { principal: 'service:aidb' }]);
  assert.equal(found.safe, false);
  assert.equal(found.newly_refused.length, 1);
  const [change] = found.newly_refused;
  assert.deepEqual(
    [change?.caller, change?.known, change?.route, change?.reason, change?.before, change?.after, change?.count],
    ['service:web', true, '/embed', 'not_allowed', 'allow', 'deny', 2],
  );
  assert.deepEqual(change?.example, { method: 'POST', path: '/embed', request_id: 'r1' });
  const watched = await simulated(against([{ path: '/embed', callers: ['aidb'] }], 'report'), [{}]);
  assert.deepEqual([watched.newly_refused.length, watched.newly_would_deny.length, watched.safe], [0, 1, false]);
});

test('enforcing what was watched refuses what would have been denied; strangers alone are no harm', async () => {
  const candidate = against([{ path: '/embed' }]);
  const stranger = await simulated(candidate, [unsigned]);
  assert.deepEqual(
    [stranger.newly_refused[0]?.caller, stranger.newly_refused[0]?.known, stranger.safe],
    ['', false, true],
  );
  const named = await simulated(candidate, [{ ...unsigned, reason: 'invalid_signature', claimed: 'service:aidb' }]);
  assert.deepEqual([named.newly_refused[0]?.caller, named.safe], ['service:aidb?', false]);
});

test('what is opened is newly allowed: to everybody, or to one more caller', async () => {
  const open = await simulated(against([{ path: '/embed', access: 'public' }]), [unsigned]);
  assert.deepEqual([open.newly_allowed.length, open.newly_allowed[0]?.after, open.safe], [1, 'public', true]);
  const refused = { outcome: 'deny', reason: 'not_allowed' } as const;
  const added = await simulated(against([{ path: '/embed', callers: ['web'] }]), [refused]);
  assert.deepEqual([added.newly_allowed[0]?.before, added.newly_allowed[0]?.after], ['deny', 'allow']);
});

test('a page of another origin is not newly allowed: from where it called was not recorded', async () => {
  const refused = { outcome: 'would_deny', reason: 'not_allowed' } as const;
  const guarded = (rule: Partial<RouteRule>): Candidate => {
    const candidate = against([{ path: '/embed', ...rule }]);
    const { table, accept } = candidate.service('embeddings') as CandidateService;
    const find: typeof table.find = (...asked) => ({ ...table.find(...asked), origins: ['https://app.example.org'] });
    return { ...candidate, service: () => ({ table: { ...table, find }, accept }) };
  };
  const found = await simulated(guarded({}), [refused]);
  assert.deepEqual([found.newly_allowed, Object.values(found.cannot_tell)], [[], [1]]);
  const closed = await simulated(guarded({ callers: ['aidb'] }), [refused]);
  assert.equal(closed.newly_refused[0]?.reason, 'not_allowed', 'the rule refuses whoever asks from wherever');
});

test('methods, scopes, addresses and accepted schemes are the new ones', async () => {
  const reasonOf = async (candidate: Candidate, facts: CredentialFacts | null) =>
    (await simulated(candidate, [{}], facts)).newly_refused[0]?.reason ?? null;
  const none: CredentialFacts = { scopes: [], addresses: null };
  assert.equal(await reasonOf(against([{ path: '/embed', methods: ['GET'] }]), none), 'not_allowed');
  assert.equal(await reasonOf(against([{ path: '/embed', scopes: ['x'] }]), none), 'insufficient_scope');
  assert.equal(await reasonOf(against([{ path: '/embed', scopes: ['x'] }]), { ...none, scopes: ['x'] }), null);
  const elsewhere = addressList(['192.0.2.0/24']);
  assert.equal(await reasonOf(against([{ path: '/embed', addresses: elsewhere }]), none), 'address_not_allowed');
  assert.equal(await reasonOf(against([{ path: '/embed' }]), { ...none, addresses: elsewhere }), 'address_not_allowed');
  assert.equal(
    await reasonOf(against([{ path: '/embed' }], 'enforce', ['service-signature']), none),
    'invalid_credentials',
  );
});

test('a service that is gone refuses everybody', async () => {
  const found = await simulated(against([]), [{ service: 'search' }]);
  assert.deepEqual([found.newly_refused[0]?.reason, found.safe], ['no_such_service', false]);
});

test('what the record does not tell is said, and never counted as harmless or harmful', async () => {
  const found = await simulated(against([{ path: '/embed', scopes: ['x'] }]), [
    { outcome: 'public', principal: '' },
    { mode: 'off', principal: '' },
    { path: `/embed${'x'.repeat(50)}…` },
    {},
  ]);
  assert.deepEqual(found.cannot_tell, {
    'the route was public, so no credential was looked at': 1,
    'the mode was off, so no credential was looked at': 1,
    'the recorded path was cut short': 1,
    'the credential is no longer known, and with it its scopes': 1,
  });
  assert.deepEqual([found.unchanged, found.newly_refused.length], [0, 0]);
});

test('verdicts on limits, clocks and signatures are taken from the record, and outages of upstreams are no requests', async () => {
  const found = await simulated(against([{ path: '/embed', callers: ['aidb'] }]), [
    { outcome: 'deny', reason: 'rate_limited' },
    { outcome: 'deny', reason: 'timestamp_outside_window' },
    { outcome: 'deny', reason: 'upstream_timeout', route: '' },
    { outcome: 'deny', reason: 'upstream_timeout', durationMicros: 0 },
    { principal: 'operator:break-glass' },
  ]);
  assert.deepEqual([found.replayed, found.unchanged], [2, 2]);
  assert.deepEqual(found.taken_from_record, { rate_limited: 1, timestamp_outside_window: 1 });
});

test('names that strangers make up do not grow the answer without bound', async () => {
  const rows = Array.from({ length: 3000 }, (_, index) => ({ ...unsigned, claimed: `service:x${index}` }));
  const found = await simulated(against([{ path: '/embed' }]), [...rows, {}, { principal: 'service:aidb' }]);
  assert.ok(found.newly_refused.length <= 501);
  assert.equal(
    found.newly_refused.reduce((sum, { count }) => sum + count, 0),
    3000,
  );
});

test('a name that is listed already is counted whole, however many others come after it', async () => {
  const one = { ...unsigned, claimed: 'service:legacy' };
  const rows = Array.from({ length: 1000 }, (_, index) => ({ ...unsigned, claimed: `service:x${index}` }));
  const found = await simulated(against([{ path: '/embed' }]), [one, ...rows, one, one]);
  assert.equal(found.newly_refused.find(({ caller }) => caller === 'service:legacy?')?.count, 3);
});
