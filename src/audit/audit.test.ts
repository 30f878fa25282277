import assert from 'node:assert/strict';
import { test } from 'node:test';
import { probeRequestId } from '../core/probe.ts';
import { deny } from '../core/verdict.ts';
import { StoreError } from '../core/store.ts';
import { memoryStore } from '../stores/memory/store.ts';
import { audit, type AuditOptions } from './audit.ts';
import { decisionOf, requestTo } from './audit.fixtures.ts';

function away(): Promise<never> {
  return Promise.reject(new StoreError('store_unavailable', 'away'));
}

function auditing(details: Partial<AuditOptions> = {}) {
  const lines: string[] = [];
  const store = memoryStore();
  const evidence = audit({
    log: (line) => lines.push(line),
    store: store.decisions,
    usage: store.usage,
    retain: { seconds: 86_400, rows: 1000 },
    clock: () => 1_795_000_000.25,
    knowsService: (name) => name === 'embeddings',
    expiries: () => [],
    ping: () => store.ping(),
    staleness: { seconds: () => null, resyncs: 0 },
    ramp: () => null,
    ...details,
  });
  return { evidence, lines, rows: () => store.decisions.list({ limit: 100 }), uses: () => store.usage.list() };
}

test('a decision becomes one line, one row and one count', async () => {
  const { evidence, lines, rows } = auditing();
  evidence.decision(decisionOf(), requestTo());
  await evidence.flush();
  assert.equal(lines.length, 1);
  assert.equal(JSON.parse(lines[0] ?? '').principal, 'service:aidb');
  assert.deepEqual(
    (await rows()).map((row) => row.principal),
    ['service:aidb'],
  );
  const { text } = await evidence.metrics();
  assert.match(
    text,
    /^countersign_decisions_total\{service="embeddings",outcome="allow",reason="",mode="enforce",scheme="api-key"\} 1$/m,
  );
  assert.match(text, /^countersign_store_up 1$/m);
  await evidence.close();
});

test('the use of a key is kept, on service routes and elsewhere', async () => {
  const { evidence, uses } = auditing();
  evidence.decision(decisionOf(), requestTo());
  const principal = { scheme: 'api-key', scopes: [], expiresAt: null, addresses: null };
  evidence.used({ ...principal, id: 'service:prometheus', credentialId: 'metrics' }, '10.0.0.9');
  evidence.used({ ...principal, id: 'operator:admin', credentialId: 'admin' }, '10.0.0.9');
  await evidence.flush();
  const seen = (await uses()).map(({ caller, clientAddress }) => `${caller} ${clientAddress}`).sort();
  assert.deepEqual(seen, [`service:aidb ${requestTo().remoteAddress}`, 'service:prometheus 10.0.0.9']);
  await evidence.close();
});

test('what an operator asked is kept, and counted nowhere', async () => {
  const { evidence, lines, rows, uses } = auditing();
  evidence.decision(decisionOf(), requestTo({ requestId: probeRequestId('one', 'operator') }));
  await evidence.flush();
  assert.equal(lines.length, 1);
  assert.deepEqual(
    (await rows()).map(({ requestId }) => requestId),
    ['probe:one'],
  );
  assert.deepEqual(await uses(), []);
  assert.doesNotMatch((await evidence.metrics()).text, /^countersign_decisions_total\{/m);
  await evidence.close();
});

test('the query is in none of them', async () => {
  const { evidence, lines, rows } = auditing();
  evidence.decision(decisionOf(), requestTo({ target: '/embeddings/embed?token=s3cret' }));
  const request = { method: 'GET', path: '/x?token=s3cret', service: '', remoteAddress: '10.0.0.7', requestId: 'r2' };
  evidence.refused(deny('bad_request', 'unreadable'), request);
  await evidence.flush();
  assert.equal((await rows()).length, 2);
  assert.ok(!JSON.stringify([lines, await rows()]).includes('s3cret'));
  await evidence.close();
});

test('a refusal without a decision is evidence too, under no made-up service', async () => {
  const { evidence, lines } = auditing();
  const request = { method: 'GET', path: '/', service: 'made-up', remoteAddress: '10.0.0.7', requestId: 'r2' };
  evidence.refused(deny('no_such_service', 'none'), request);
  assert.deepEqual([JSON.parse(lines[0] ?? '').service, JSON.parse(lines[0] ?? '').level], ['made-up', 'warn']);
  const { text } = await evidence.metrics();
  assert.match(text, /^countersign_decisions_total\{service="",outcome="deny",reason="no_such_service"/m);
  assert.ok(!text.includes('made-up'));
  await evidence.close();
});

test('without a log and without rows the counts remain', async () => {
  const { evidence, lines, rows } = auditing({ log: null, store: null });
  evidence.decision(decisionOf(), requestTo());
  await evidence.flush();
  assert.deepEqual([lines, await rows(), evidence.dropped], [[], [], 0]);
  assert.match((await evidence.metrics()).text, /^countersign_decisions_total\{.*\} 1$/m);
  await evidence.close();
});

test('a store that is away holds up nothing; what is lost is counted and shown', async () => {
  const { evidence } = auditing({ store: { ...memoryStore().decisions, append: away }, ping: away });
  evidence.decision(decisionOf(), requestTo());
  await evidence.flush();
  await evidence.close();
  assert.equal(evidence.dropped, 1);
  const { text } = await evidence.metrics();
  assert.match(text, /^countersign_audit_dropped_total 1$/m);
  assert.match(text, /^countersign_store_up 0$/m);
});
