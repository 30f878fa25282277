/** What a ramp makes of traffic: a real gateway before a real service, and nothing but the clock is turned. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test, type TestContext } from 'node:test';
import { report } from '../../src/audit/report/report.ts';
import { parseConfig } from '../../src/compose/load/load.ts';
import { hasKeyIn } from '../../src/compose/ramps/known-callers.ts';
import { parseRampPlan, rampGround } from '../../src/compose/ramps/ramp-file.ts';
import { judgementOf } from '../../src/compose/ramps/ramp-judgement.ts';
import { createStack } from '../../src/compose/stack.ts';
import { createGateway } from '../../src/gateway/gateway.ts';
import { frontServer } from '../../src/gateway/server.ts';
import { createKey } from '../../src/keys/create.ts';
import { changeRamp, storedRamp } from '../../src/rollout/ramp/record.ts';
import { started } from '../../src/rollout/ramp/state.ts';
import { signServiceRequest } from '../../src/schemes/service-signature/index.ts';
import { memoryStore } from '../../src/stores/memory/store.ts';
import { closed, listening } from '../fixtures/gateway-door.ts';

const env = { COUNTERSIGN_MASTER_KEY: 'ab'.repeat(32), SERVICE_AUTH_OVERRIDE_TOKEN: 'for-the-worst-of-nights-only' };

interface Asked {
  readonly headers?: Record<string, string>;
  readonly times?: number;
}

/** A ramp whose only step means `routes`. The service ends the connection where it is asked for /drop. */
async function ramped(t: TestContext, routes: string, gates: string) {
  const service = createServer((req, res) => (req.url?.includes('drop') ? req.socket.destroy() : res.end('served')));
  const port = await listening(service);
  const yaml = `mode: report
callers: [web]
services:
  embeddings:
    upstream: http://127.0.0.1:${port}
    routes: [{ path: /open/*, access: public }, { path: /embed/*, access: service }]
`;
  const config = parseConfig(yaml, { file: null, env });
  const store = memoryStore();
  const time = { now: 1_800_000_000 };
  const clock = (): number => time.now;
  const stack = await createStack({ config, env, store, clock });
  const gateway = createGateway(stack);
  const server = frontServer(
    (req, res) => gateway.handle(req, res),
    (req, socket, head) => gateway.upgrade(req, socket, head),
    { refused: stack.audit.refused },
  );
  const door = await listening(server);
  t.after(async () => {
    await gateway.close();
    await Promise.all([closed(server), closed(service)]);
    await stack.close();
  });
  const key = (name: string, kind: 'sk' | 'hs') =>
    createKey(store, stack.seal, { service: name, kind, expiresAt: null, now: time.now });
  const web = await key('web', 'sk');
  let secret: string | null = null;
  const plan = parseRampPlan(
    `gates: { claims: ignore, ${gates} }\nsteps: [{ routes: ['${routes}'] }]\n`,
    null,
    rampGround(config, time.now),
  );
  assert.ok(await changeRamp(store.records, clock, () => started(plan, 'salt', 'operator:test', time.now)));
  while (stack.ramp.state() === null) await new Promise((resolve) => setImmediate(resolve));

  const ask = async (path: string, { headers = {}, times = 1 }: Asked = {}): Promise<number[]> =>
    Promise.all(
      Array.from({ length: times }, async () => {
        const answer = await fetch(`http://127.0.0.1:${door}/embeddings${path}`, { headers });
        await answer.arrayBuffer();
        return answer.status;
      }),
    );
  return {
    store,
    time,
    stack,
    ask,
    known: { 'x-api-key': web.key },
    async signed(target: string, timestamp: number): Promise<Record<string, string>> {
      secret ??= (await key('web', 'hs')).key;
      while (stack.keyring.macKeys('web').length === 0) await new Promise((resolve) => setImmediate(resolve));
      return signServiceRequest({ serviceId: 'web', secret, method: 'GET', target, timestamp }).headers;
    },
    status: async () => (await storedRamp(store.records, time.now))?.status,
    /** What the gates say a minute later. */
    async judged() {
      await stack.audit.flush();
      time.now += 60;
      const state = (await storedRamp(store.records, time.now)) ?? assert.fail('no ramp');
      const { answer, findings } = await judgementOf(
        { store, config, modes: stack.modes, hasKey: hasKeyIn(stack.keyring) },
        state,
        time.now,
      );
      return [answer, findings.join()] as const;
    },
  };
}

test('however many strangers are refused, nothing is known about a step', async (t) => {
  const { ask, judged, known } = await ramped(t, 'embeddings/*', 'upstreamErrors: 2%');
  assert.deepEqual(new Set(await ask('/embed/x', { times: 25 })), new Set([401]));
  const claim = { 'x-service-id': 'web', 'x-service-signature': 'ab'.repeat(32), 'x-service-timestamp': '1800000000' };
  assert.deepEqual(new Set(await ask('/embed/x', { headers: claim, times: 25 })), new Set([401]));
  assert.deepEqual(new Set(await ask('/open/x', { headers: known, times: 25 })), new Set([200]));
  const unknown =
    /^inconclusive,only ([0-9]+) requests of proven callers were allowed, of at least 20; they are counted from /;
  assert.equal(unknown.exec((await judged()).join())?.[1], '0');
  await ask('/embed/x', { headers: known, times: 19 });
  assert.equal(unknown.exec((await judged()).join())?.[1], '19');
  await ask('/embed/x', { headers: known });
  assert.deepEqual(await judged(), ['success', '']);
});

test('a service that does not answer fails the step of its one route', async (t) => {
  const { ask, judged, known } = await ramped(t, 'embeddings/embed/*', 'upstreamErrors: 2%');
  assert.deepEqual(new Set(await ask('/embed/x', { headers: known, times: 28 })), new Set([200]));
  assert.deepEqual(await ask('/embed/drop', { headers: known, times: 2 }), [502, 502]);
  const [answer, findings] = await judged();
  assert.equal(answer, 'failed', findings);
  assert.match(findings, /^6\.7 % of the allowed requests failed at the service, of at most 2\.0 %$/);
});

test('what is not answered to strangers fails no step', async (t) => {
  const { ask, judged, known } = await ramped(t, 'embeddings/*', 'upstreamErrors: 2%');
  await ask('/embed/x', { headers: known, times: 50 });
  assert.deepEqual(new Set(await ask('/open/drop', { times: 10 })), new Set([502]));
  assert.deepEqual(new Set(await ask('/open/drop', { headers: known, times: 10 })), new Set([502]));
  assert.deepEqual(await judged(), ['success', '']);
});

test('strangers who guess wait for as long as they like, and no decision takes longer for it', async (t) => {
  const { ask, judged, known, stack, store, time } = await ramped(t, 'embeddings/*', 'decisionTime: 400ms');
  await ask('/embed/x', { headers: known, times: 20 });
  const began = time.now;
  const turning = setInterval(() => (time.now += 0.1), 100);
  t.after(() => clearInterval(turning));
  const guesses = Array.from({ length: 12 }, (_, guess) =>
    ask('/embed/x', { headers: { 'x-override-token': `${guess}` } }),
  );
  assert.ok((await Promise.all(guesses)).flat().includes(429), 'some of them had to wait');
  clearInterval(turning);
  await stack.audit.flush();
  const { measures } = await store.decisions.rollups(began, began + 60);
  assert.ok(measures.some(({ kind, most }) => kind === 'duration' && most > 400_000));
  assert.deepEqual(await judged(), ['success', '']);
});

test('where no decision on a proven caller was timed nobody can tell whether deciding is slow', async (t) => {
  const { ask, judged } = await ramped(t, 'embeddings/*', 'decisionTime: 900ms');
  await ask('/embed/x', { times: 20 });
  const [answer, findings] = await judged();
  assert.equal(answer, 'inconclusive');
  assert.match(findings, /no decision on a proven caller was timed/);
});

test('a signature that somebody kept for a month stops no ramp; a clock that is an hour off does', async (t) => {
  const { ask, judged, known, signed, status, store, time } = await ramped(t, 'embeddings/*', 'clockSkew: 120s');
  await ask('/embed/x', { headers: known, times: 20 });
  const kept = await signed('/embeddings/embed/x', time.now - 30 * 86_400);
  assert.deepEqual(await ask('/embed/x', { headers: kept, times: 3 }), [401, 401, 401]);
  assert.deepEqual(await judged(), ['success', '']);
  assert.equal(await status(), 'running');
  const shown = await report(store, { since: time.now - 3600, until: time.now });
  assert.deepEqual(
    shown.denied_groups.map(({ caller, reason, count }) => [caller, reason, count]),
    [['service:web', 'timestamp_outside_window', 3]],
  );
  assert.equal(shown.clock_skew[0]?.max_s, -30 * 86_400);

  const late = await signed('/embeddings/embed/x', time.now - 3600);
  assert.deepEqual(await ask('/embed/x', { headers: late }), [200], 'the ramp gives way before it refuses a caller');
  const [answer, findings] = await judged();
  assert.equal(answer, 'failed');
  assert.match(findings, /service:web at embeddings\/embed\/\* \(timestamp_outside_window\)/);
  while ((await status()) !== 'withdrawn') await new Promise((resolve) => setImmediate(resolve));
});
