import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DecisionRow } from '../../core/store.ts';
import { memoryStore } from '../../stores/memory/store.ts';
import { decisionRow, keyRecord } from '../../stores/store.fixtures.ts';
import { evidenceOf, type Evidence, type EvidenceQuestion } from './evidence.ts';
import type { Asker } from './plan.ts';

/** The beginning of the minute in which the rows of the store's contract are. */
const since = Math.floor(decisionRow(0).time / 60) * 60;

/** Of a step over one route of the service, about callers who are all known. */
function evidence(...rows: Partial<DecisionRow>[]): Promise<Evidence> {
  return evidenceSince(since, rows);
}

const asked = {
  step: { routes: ['embeddings/embed'], callersPercent: 100, soakSeconds: 60, promote: 'auto' },
  knows: (caller: string) => caller !== '',
  isExempt: () => false,
  isRefusedAnyway: ({ caller }: Asker) => caller === 'service:ours-already',
  keysUntil: null,
  health: null,
} satisfies Omit<EvidenceQuestion, 'since' | 'until'>;

async function evidenceSince(begun: number, rows: readonly Partial<DecisionRow>[]): Promise<Evidence> {
  const store = memoryStore();
  await store.decisions.append(rows.map((row) => decisionRow(1, row)));
  return evidenceOf(store, { ...asked, since: begun, until: begun + 60 });
}

const refused = { outcome: 'deny', mode: 'enforce' } as const;
const failed = { ...refused, durationMicros: 0 };

test('only what proven callers were allowed is evidence for a step', async () => {
  const found = await evidence(
    {},
    { mode: 'enforce' },
    { mode: 'off', principal: '' },
    { outcome: 'public', principal: '' },
    { ...refused, principal: '', reason: 'missing_credentials' },
    { ...refused, principal: '', claimed: 'service:web', reason: 'invalid_signature' },
    { ...refused, reason: 'revoked' },
    { outcome: 'would_deny', reason: 'replayed' },
    { principal: 'operator:break-glass', scheme: 'override' },
  );
  assert.equal(found.allowed, 2);
  assert.deepEqual(found.callers, ['service:web'], 'who claims a name, and the broken glass, are none');
});

test('what was before the first whole minute of a step is neither for nor against it', async () => {
  const old = { ...refused, reason: 'expired', principal: 'service:old' } as const;
  const before = [{ time: since + 29 }, { time: since + 31 }, { ...old, time: since + 29 }];
  const found = await evidenceSince(since + 30, [...before, { time: since + 61 }]);
  assert.deepEqual([found.allowed, found.refused], [1, []]);
});

test('what strangers and the broken glass are not answered is no failure of a step', async () => {
  const late = { ...failed, reason: 'upstream_unreachable' } as const;
  const found = await evidence(
    {},
    { ...late, principal: '' },
    { ...late, principal: '', claimed: 'service:web' },
    { ...late, principal: 'operator:break-glass' },
    // As it was written down before there was a route to it.
    { ...late, principal: '', route: '' },
  );
  assert.deepEqual([found.allowed, found.upstreamFailures, found.refused], [1, 0, []]);
});

test('how long deciding takes is told by those who were proven and allowed', async () => {
  const slow = { durationMicros: 5_000_000 };
  const found = await evidence(
    { durationMicros: 40 },
    { ...slow, ...refused, principal: '', reason: 'rate_limited' },
    { ...slow, ...refused, principal: '', reason: 'invalid_credentials' },
    { ...slow, outcome: 'public', principal: '' },
  );
  assert.equal(found.decisionMicros, 40);
  const strangers = await evidence({ ...slow, ...refused, principal: '', reason: 'rate_limited' });
  assert.equal(strangers.decisionMicros, null);
});

test('what would be refused without the step too is not held against it', async () => {
  const found = await evidence(
    { ...refused, reason: 'expired', principal: 'service:ours-already' },
    { ...refused, reason: 'expired', principal: 'service:old' },
    { ...refused, reason: 'expired', principal: 'service:old' },
    { ...refused, reason: 'not_allowed', principal: 'service:old' },
  );
  assert.deepEqual(
    found.refused.map(({ caller, reason }) => `${caller} ${reason}`),
    ['service:old expired', 'service:old not_allowed'],
  );
  assert.equal(found.refusedRequests, 3);
});

const day = 86_400;
const late = (skewSeconds: number) => ({ ...refused, reason: 'timestamp_outside_window', skewSeconds }) as const;

test('a clock that is set wrong is a mishap, and a request that somebody kept is none', async () => {
  const told = async (...rows: Partial<DecisionRow>[]) => {
    const { refused: culprits, skews } = await evidence({ skewSeconds: 0 }, ...rows);
    return [culprits.map(({ caller }) => caller), skews.map(({ seconds }) => seconds)];
  };
  for (const skew of [-400, -3600, -14 * 3600, -26 * 3600, 400, 3600, 30 * day])
    assert.deepEqual(await told(late(skew)), [['service:web'], [skew]], `${skew} s`);
  for (const skew of [-26 * 3600 - 1, -3 * day, -30 * day])
    assert.deepEqual(await told(late(skew)), [[], []], `${skew} s`);
  assert.deepEqual(await told(late(-30 * day), late(-30 * day), late(-400)), [['service:web'], [-400]]);
  // In one slot, and the clock of another caller.
  assert.deepEqual((await told(late(-26 * 3600 - 500), late(-26 * 3600)))[0], ['service:web']);
  assert.deepEqual((await told(late(-30 * day), { ...late(-400), principal: 'service:ocr' }))[0], ['service:ocr']);
});

test('what failed after it was let pass is a failure of the service, and refuses nobody', async () => {
  const found = await evidence(
    {},
    {},
    { ...failed, reason: 'upstream_timeout' },
    { ...failed, reason: 'unavailable' },
    { ...failed, reason: 'not_found' },
  );
  assert.deepEqual([found.allowed, found.upstreamFailures, found.refused], [2, 2, []]);
});

test('a last key that ends elsewhere counts, where the caller has none that lasts', async () => {
  const store = memoryStore();
  const callers = ['redis', 'both', 'outlived', 'endless'];
  const at = (seconds: number): number => since + seconds;
  const rows = callers.map((name, index) => decisionRow(index, { principal: `service:${name}`, time: at(1) }));
  await store.decisions.append(rows);
  await store.keys.insert(keyRecord('k1', { service: 'both', expiresAt: at(50) }));
  await store.keys.insert(keyRecord('k2', { service: 'outlived', expiresAt: at(9000) }));
  const elsewhere = (service: string, expiresAt: number | null) => ({ service, id: `redis:${service}`, expiresAt });
  const { endingKeys } = await evidenceOf(store, {
    ...asked,
    since,
    until: at(60),
    keysUntil: at(600),
    keysElsewhere: [
      elsewhere('redis', at(300)),
      elsewhere('both', at(200)),
      elsewhere('outlived', at(200)),
      elsewhere('endless', null),
      elsewhere('silent', at(100)),
    ],
  });
  assert.deepEqual(endingKeys, [
    { ...elsewhere('redis', at(300)), isLast: true },
    { ...elsewhere('both', at(200)), isLast: true },
  ]);
});

test('strangers whom the step refused are told apart by address and counted, and speak neither for it nor against it', async () => {
  const stranger = { ...refused, principal: '', reason: 'missing_credentials', clientAddress: '10.0.0.1' } as const;
  const found = await evidence(
    stranger,
    { ...stranger, clientAddress: '10.0.0.2' },
    stranger,
    { ...stranger, mode: 'report', outcome: 'would_deny' },
    { ...stranger, route: '/other' },
    { ...refused, reason: 'expired', principal: 'service:ours-already' },
  );
  assert.deepEqual(
    found.strangers.map(({ caller, address, route, reason, requests }) => [caller, address, route, reason, requests]),
    [
      ['', '10.0.0.1', 'embeddings/embed', 'missing_credentials', 2],
      ['', '10.0.0.2', 'embeddings/embed', 'missing_credentials', 1],
    ],
  );
  assert.deepEqual([found.refused, found.refusedRequests], [[], 0]);
});

test('a key that is in use and ends counts, although its caller has another that lasts', async () => {
  const store = memoryStore();
  const at = (seconds: number): number => since + seconds;
  const rows = ['two', 'idle'].map((name, index) => decisionRow(index, { principal: `service:${name}`, time: at(1) }));
  await store.decisions.append(rows);
  for (const service of ['two', 'idle', 'silent']) {
    await store.keys.insert(keyRecord(`${service}-old`, { service }));
    await store.keys.insert(keyRecord(`${service}-new`, { service, expiresAt: at(300) }));
    const use = { caller: `service:${service}`, clientAddress: '10.0.0.7', firstUsed: at(-900), count: 3 };
    const lastUsed = at(service === 'idle' ? -1 : 2);
    await store.usage.add([{ ...use, credentialId: `${service}-new`, lastUsed }]);
  }
  const found = await evidenceOf(store, { ...asked, since, until: at(60), keysUntil: at(600) });
  assert.deepEqual(found.endingKeys, [{ service: 'two', id: 'two-new', expiresAt: at(300), isLast: false }]);
});
