import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rowWith } from './audit.fixtures.ts';
import { decisionMetrics, type DecisionMetricsOptions } from './metrics.ts';

function counting(details: Partial<DecisionMetricsOptions> = {}) {
  return decisionMetrics({
    knowsService: (name) => name === 'embeddings' || name === 'aidb',
    expiries: () => [],
    ping: async () => undefined,
    staleness: { seconds: () => null, resyncs: 0 },
    dropped: () => 0,
    waiting: () => false,
    ramp: () => null,
    ...details,
  });
}

async function samples(metrics: ReturnType<typeof counting>, name: string): Promise<string[]> {
  const { text } = await metrics.text();
  return text.split('\n').filter((line) => line.startsWith(name));
}

test('decisions are counted by service, outcome, reason, mode and scheme', async () => {
  const metrics = counting();
  for (let time = 0; time < 3; time += 1) metrics.count(rowWith());
  metrics.count(rowWith({ outcome: 'would_deny', reason: 'expired', mode: 'report', scheme: 'session-token' }));
  metrics.count(rowWith({ outcome: 'public', scheme: '', service: 'aidb', mode: 'off' }));
  assert.deepEqual((await samples(metrics, 'countersign_decisions_total')).sort(), [
    'countersign_decisions_total{service="aidb",outcome="public",reason="",mode="off",scheme=""} 1',
    'countersign_decisions_total{service="embeddings",outcome="allow",reason="",mode="enforce",scheme="api-key"} 3',
    'countersign_decisions_total{service="embeddings",outcome="would_deny",reason="expired",mode="report",scheme="session-token"} 1',
  ]);
});

test('scraping twice does not count twice', async () => {
  const metrics = counting();
  metrics.count(rowWith());
  await metrics.text();
  assert.match((await samples(metrics, 'countersign_decisions_total')).join(), / 1$/);
});

test('names that callers make up never become labels', async () => {
  const metrics = counting();
  for (let index = 0; index < 5000; index += 1)
    metrics.count(rowWith({ service: `made-up-${index}`, outcome: 'deny', reason: 'no_such_service', scheme: '' }));
  const lines = await samples(metrics, 'countersign_decisions_total');
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? '', /service="",.*reason="no_such_service".* 5000$/);
});

test('durations are a cumulative histogram in seconds', async () => {
  const metrics = counting();
  for (const durationMicros of [0.5, 1, 4, 40, 2_000_000]) metrics.count(rowWith({ durationMicros }));
  const lines = await samples(metrics, 'countersign_decision_duration_seconds');
  const value = (part: string) =>
    lines
      .find((line) => line.includes(part))
      ?.split(' ')
      .at(-1);
  assert.equal(value('le="0.000001"'), '2');
  assert.equal(value('le="0.000005"'), '3');
  assert.equal(value('le="0.00005"'), '4');
  assert.equal(value('le="1"'), '4');
  assert.equal(value('le="+Inf"'), '5');
  assert.equal(value('_count'), '5');
  assert.ok(Math.abs(Number(value('_sum')) - 2.0000455) < 1e-9);
});

test('the skew of a proven caller is shown as last seen, a claimed one never', async () => {
  const metrics = counting();
  metrics.count(rowWith({ skewSeconds: 3 }));
  metrics.count(rowWith({ skewSeconds: -7.5 }));
  metrics.count(rowWith({ skewSeconds: 900, principal: '', claimed: 'service:aidb' }));
  assert.deepEqual(await samples(metrics, 'countersign_clock_skew_seconds'), [
    'countersign_clock_skew_seconds{service="aidb"} -7.5',
  ]);
});

test('the number of callers whose clocks are shown is bounded', async () => {
  const metrics = counting();
  for (let index = 0; index < 3000; index += 1)
    metrics.count(rowWith({ skewSeconds: 1, principal: `service:s${index}` }));
  assert.equal((await samples(metrics, 'countersign_clock_skew_seconds')).length, 1000);
});

test('keys show when they end, and the audit what it lost', async () => {
  const metrics = counting({
    expiries: () => [
      { service: 'aidb', credentialId: 'k1', expiresAt: 1_800_000_000, replaced: false },
      { service: 'aidb', credentialId: 'k0', expiresAt: 1_700_000_000, replaced: true },
    ],
    dropped: () => 17,
    waiting: () => false,
  });
  assert.deepEqual(await samples(metrics, 'countersign_key_expiry'), [
    'countersign_key_expiry_timestamp_seconds{service="aidb",credential="k1"} 1800000000',
    'countersign_key_expiry_timestamp_seconds{service="aidb",credential="k0"} 1700000000',
  ]);
  assert.deepEqual(await samples(metrics, 'countersign_key_replaced'), [
    'countersign_key_replaced{service="aidb",credential="k0"} 1',
  ]);
  assert.deepEqual(await samples(metrics, 'countersign_audit_dropped_total'), ['countersign_audit_dropped_total 17']);
});

test('a store that is away is shown as down, and the scrape still answers', async () => {
  assert.deepEqual(await samples(counting(), 'countersign_store_up'), ['countersign_store_up 1']);
  const away = counting({ ping: () => Promise.reject(new Error('away')) });
  assert.deepEqual(await samples(away, 'countersign_store_up'), ['countersign_store_up 0']);
});

test('the text is the Prometheus exposition format, process metrics included, each metric once', async () => {
  const { contentType, text } = await counting().text();
  assert.match(contentType, /^text\/plain; version=0\.0\.4/);
  assert.match(text, /process_resident_memory_bytes/);
  const names = text.match(/^# TYPE \S+/gm) ?? [];
  assert.equal(new Set(names).size, names.length);
  for (const line of text.split('\n')) if (line !== '') assert.match(line, /^(#|[a-z_0-9]+(\{.*\})? \S+$)/);
});

test('where a ramp is can be seen, and nothing of one that there never was', async () => {
  assert.deepEqual(await samples(counting(), 'countersign_ramp'), []);
  let status = 'running';
  const metrics = counting({ ramp: () => ({ name: 'enforce', status, step: 2 }) });
  assert.deepEqual(await samples(metrics, 'countersign_ramp'), [
    'countersign_ramp_status{ramp="enforce",status="running"} 1',
    'countersign_ramp_step{ramp="enforce"} 2',
  ]);
  status = 'stopped';
  assert.deepEqual(await samples(metrics, 'countersign_ramp_status'), [
    'countersign_ramp_status{ramp="enforce",status="stopped"} 1',
  ]);
});
