import assert from 'node:assert/strict';
import { test } from 'node:test';
import { askedRoutes } from '../../audit/report/asked-routes.ts';
import type { DecisionRow } from '../../core/store.ts';
import { memoryStore } from '../../stores/memory/store.ts';
import { decisionRow } from '../../stores/store.fixtures.ts';
import { parseConfig } from '../load/load.ts';
import { parseRampPlan, rampGround } from './ramp-file.ts';
import { proposedRamp } from './ramp-proposal.ts';

const config = parseConfig(
  `services:
  embeddings:
    upstream: http://127.0.0.1:9001
    routes: [{ path: /embed }, { path: /models/* }, { path: /models/all }, { path: /health, access: public }]
  llm: { upstream: http://127.0.0.1:9002, routes: [{ path: /chat }] }
`,
  { file: null, env: {} },
);
const ground = rampGround(config, 0);
const now = 1_800_000_000;

/** The steps of the plan that is proposed after such requests, by what each of them names. */
async function stepsAfter(
  rows: readonly Partial<DecisionRow>[],
  among = ground,
): Promise<readonly (readonly string[])[]> {
  const store = memoryStore();
  await store.decisions.append(rows.map((row) => ({ ...decisionRow(0, row), time: now - 60 })));
  const found = await askedRoutes(store, { since: now - 3600, until: now });
  const { steps } = parseRampPlan(
    proposedRamp(among.routes, found, (caller) => caller !== ''),
    null,
    among,
  );
  return steps.map(({ routes }) => routes);
}

const asked = (service: string, route: string): Partial<DecisionRow> => ({ service, route });
const late = { outcome: 'would_deny', reason: 'timestamp_outside_window' } as const;

test('a step does not enforce by a pattern what a later one leaves to be mended', async () => {
  const everything = ground.routes.map(({ service, label }) => asked(service, label));
  assert.deepEqual(await stepsAfter([...everything, { ...asked('embeddings', '/models/all'), ...late }]), [
    ['embeddings/embed', 'llm/chat', 'llm/*'],
    ['embeddings/embed', 'llm/chat', 'llm/*'],
    ['embeddings/models/*', 'embeddings/models/all', 'embeddings/*'],
  ]);
});

test('a step does not enforce by a pattern what nobody asked for yet', async () => {
  assert.deepEqual(await stepsAfter(['/embed', '/models/*', '*'].map((route) => asked('embeddings', route))), [
    ['embeddings/embed'],
    ['embeddings/embed'],
    ['embeddings/models/*', 'embeddings/models/all', 'embeddings/*', 'llm/chat', 'llm/*'],
  ]);
});

test('nothing is in the way of a pattern whose routes are all ready', async () => {
  assert.deepEqual(await stepsAfter(ground.routes.map(({ service, label }) => asked(service, label))), [
    ground.routes.map(({ service, label }) => `${service}${label === '*' ? '/*' : label}`),
    ground.routes.map(({ service, label }) => `${service}${label === '*' ? '/*' : label}`),
  ]);
});

test('of a large stack every route that was asked for counts, not only the busiest', async () => {
  const routes = Array.from({ length: 40 }, (_, index) => ({ service: 'large', label: `/path-${index}` }));
  const [first, , ...rest] = await stepsAfter(
    routes.map(({ service, label }) => asked(service, label)),
    { ...ground, routes },
  );
  assert.deepEqual([first?.length, rest], [40, []]);
});

test('a plan says how often somebody would have been refused', async () => {
  const store = memoryStore();
  const rows = [late, late, { ...late, principal: 'service:ocr' }];
  await store.decisions.append(rows.map((row) => ({ ...decisionRow(0, row), time: now - 60 })));
  const found = await askedRoutes(store, { since: now - 3600, until: now });
  const plan = proposedRamp(ground.routes, found, (caller) => caller !== '');
  assert.match(plan, /: timestamp_outside_window, 2 times$/m);
  assert.match(plan, /service:ocr at \S+: timestamp_outside_window, once$/m);
});
