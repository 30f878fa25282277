import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { Mode } from '../../core/mode.ts';
import { started } from '../../rollout/ramp/state.ts';
import { memoryStore } from '../../stores/memory/store.ts';
import { decisionRow } from '../../stores/store.fixtures.ts';
import { parseConfig } from '../load/load.ts';
import { parseRampPlan, rampGround } from './ramp-file.ts';
import { judgementOf } from './ramp-judgement.ts';

const yaml = `mode: report
services:
  canary:
    upstream: http://127.0.0.1:9001
    routes:
      - { path: /closed, mode: enforce }
      - { path: /half, methods: [GET], mode: enforce }
      - { path: /half, methods: [POST] }
      - { path: /open }
`;
const config = parseConfig(yaml, { file: null, env: { COUNTERSIGN_MASTER_KEY: 'ab'.repeat(32) } });
/** A whole minute, like those that are counted. */
const start = 1_800_000_000;
const plan = parseRampPlan(`minSamples: 1\nsteps: [{ routes: ['*'] }]\n`, null, rampGround(config, start));

/** What the gates say where somebody has one request allowed, and one refused that showed a key that has ended. */
async function refusedAt(route: string, byHand: Mode | null = null): Promise<string> {
  const store = memoryStore();
  const row = { time: start + 1, service: 'canary', route } as const;
  await store.decisions.append([
    decisionRow(1, row),
    decisionRow(2, { ...row, outcome: 'deny', mode: 'enforce', reason: 'expired', principal: 'service:old' }),
  ]);
  const modes = { modeOf: (_: string, __: string, fileMode: Mode | null) => byHand ?? fileMode ?? 'report' };
  const state = started(plan, 'salt', 'operator:test', start);
  return (await judgementOf({ store, config, modes, hasKey: () => false }, state, start + 60)).answer;
}

const cases: readonly [route: string, byHand: Mode | null, answer: string][] = [
  ['/open', null, 'failed'],
  ['*', null, 'failed'],
  ['/closed', null, 'success'],
  ['/half', null, 'failed'],
  ['/open', 'enforce', 'success'],
  ['/closed', 'report', 'failed'],
];
for (const [route, byHand, answer] of cases)
  test(`a refusal at ${route}${byHand === null ? '' : `, set to ${byHand} by hand`}: ${answer}`, async () => {
    assert.equal(await refusedAt(route, byHand), answer);
  });

test('a health page that was away for a moment is asked once more, and one that stays away fails the step', async (t) => {
  const statuses: number[] = [];
  let asked = 0;
  const server = createServer((_, res) => {
    asked += 1;
    const status = statuses.shift() ?? 503;
    if (status === 0) res.destroy();
    else res.writeHead(status).end();
  }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const health = `http://127.0.0.1:${(server.address() as AddressInfo).port}/health`;
  const store = memoryStore();
  await store.decisions.append([decisionRow(1, { time: start + 1, service: 'canary', route: '/open' })]);
  const state = started({ ...plan, gates: { ...plan.gates, health } }, 'salt', 'operator:test', start);
  const modes = { modeOf: () => 'report' as const };
  const said = async (...answers: number[]): Promise<readonly [answer: string, asked: number]> => {
    statuses.splice(0, statuses.length, ...answers);
    asked = 0;
    const { answer } = await judgementOf({ store, config, modes, hasKey: () => false }, state, start + 60);
    return [answer, asked];
  };
  assert.deepEqual(await said(200), ['success', 1]);
  assert.deepEqual(await said(503, 200), ['success', 2]);
  assert.deepEqual(await said(0, 204), ['success', 2]);
  assert.deepEqual(await said(503, 500), ['failed', 2]);
});
