/** A ramp on two real gateways: started by command, broken at one, taken back at both, and still there after a kill. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { Pool } from 'undici';
import { startRedis } from '../fixtures/databases.ts';
import { MissingProgram } from '../fixtures/programs.ts';
import { startProgram, startUpstream, type Program } from './program.ts';

const env = { COUNTERSIGN_MASTER_KEY: '0'.repeat(64) };
const isSoak = process.env['COUNTERSIGN_SOAK'] === '1';
/** Over both gateways. */
const requestsPerSecond = isSoak ? 1000 : 200;
const rounds = isSoak ? 10 : 1;

interface Gateway {
  readonly program: Program;
  ask(headers?: Record<string, string>): Promise<number>;
}

async function gateway(t: TestContext, store: string, upstream: string): Promise<Gateway> {
  const yaml = `mode: report\ncallers: [web, old]\nservices:\n  embeddings: { upstream: ${upstream} }\n`;
  const program = await startProgram(t, { yaml, store, env });
  const pool = new Pool(program.origin, { connections: 32 });
  t.after(() => pool.close());
  return {
    program,
    async ask(headers = {}) {
      const { statusCode, body } = await pool.request({ path: '/embeddings/x', method: 'GET', headers });
      await body.dump();
      return statusCode;
    },
  };
}

/** Looks until the test has run out of its time: what never comes must not keep the process. */
async function until(signal: AbortSignal, holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await wait(5, undefined, { signal });
}

test('a step is taken back at every gateway when one sees a known caller refused, under load', async (t) => {
  const redis = await startRedis(t).catch((error: unknown) => {
    if (!(error instanceof MissingProgram) || process.env['CI'] === 'true') throw error;
    return t.skip(error.message);
  });
  if (!redis) return;
  const upstream = await startUpstream(t);
  const gateways = [await gateway(t, redis.url, upstream.url), await gateway(t, redis.url, upstream.url)] as const;
  const [one, other] = gateways;
  const cli = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await one.program.cli(args);
    assert.equal(code, 0, `${args.join(' ')}: ${stderr}`);
    return stdout.trim();
  };
  const web = { 'x-api-key': await cli('keys', 'create', 'web') };
  const old = { 'x-api-key': await cli('keys', 'create', 'old', '--expires', '1s') };
  // Has ended by the time it is asked for.
  await wait(1000);

  for (const { ask } of gateways) assert.equal(await ask(web), 200);
  const plan = join(one.program.folder, 'ramp.yaml');
  writeFileSync(plan, 'name: all\nsteps:\n  - { routes: [embeddings/*] }\n');
  assert.match(await cli('ramp', 'start', plan, '--reason', 'agreed'), /^1 .*embeddings\/\*$/m);

  const enforced = (status: number): Promise<unknown> =>
    Promise.all(gateways.map(({ ask }) => until(t.signal, async () => (await ask()) === status)));
  await enforced(401);
  for (let round = 0; round < rounds; round += 1) {
    const load = underLoad(t.signal, gateways, web);
    // A breach before the first of these requests would be one without any.
    await until(t.signal, () => Promise.resolve(load.answered() >= requestsPerSecond / 5));
    const broken = performance.now();
    assert.equal(await one.ask(old), 200, 'the gateway that sees it does not refuse it');
    const elsewhere = brokenFor(t.signal, other, old);
    await enforced(200);
    const { refusedElsewhere } = await elsewhere;
    const millis = performance.now() - broken;
    const { requests, refused } = await load.end();
    t.diagnostic(
      `rolled back everywhere within ${millis.toFixed(0)} ms at ${requests} requests a second; refused meanwhile: ${refusedElsewhere} of the caller at the other gateway, ${refused} others`,
    );
    assert.equal(refused, 0);
    if (isSoak) assert.ok(millis < 1000, `${millis} ms`);
    const status = await one.program.cli(['ramp', 'status', '--output', 'json']);
    assert.equal(status.code, 1);
    const shown = JSON.parse(status.stdout) as { status: string; culprits: { caller: string; reason: string }[] };
    assert.equal(shown.status, 'withdrawn');
    assert.deepEqual([shown.culprits[0]?.caller, shown.culprits[0]?.reason], ['service:old', 'expired']);
    await cli('ramp', 'resume', '--reason', 'mended');
    await enforced(401);
  }

  other.program.process.kill('SIGKILL');
  await once(other.program.process, 'exit');
  assert.equal(await one.ask(), 401, 'nothing changes with a server that is gone');
  const { ask } = await gateway(t, redis.url, upstream.url);
  assert.equal(await ask(), 401, 'a server that starts takes up where the ramp is');
  await cli('ramp', 'rollback', 'all', '--reason', 'by hand');
  await Promise.all([ask, one.ask].map((each) => until(t.signal, async () => (await each()) === 200)));
  const events = await cli('audit', 'export');
  assert.match(events, /ramp\.rolled_back/);
  assert.match(events, /by hand/);
});

/** Callers who are right, at a bounded rate; none of them may be refused whatever becomes of the ramp. */
function underLoad(signal: AbortSignal, gateways: readonly Gateway[], headers: Record<string, string>) {
  let [requests, answered, refused] = [0, 0, 0];
  const began = performance.now();
  const open = new Set<Promise<void>>();
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - began) / 1000) * requestsPerSecond);
    // What the machine cannot do is not piled up.
    for (; requests < due && open.size < 64; requests += 1) {
      const asked: Promise<void> = gateways[requests % 2]!.ask(headers).then((status) => {
        answered += 1;
        if (status !== 200) refused += 1;
        open.delete(asked);
      });
      open.add(asked);
    }
  }, 5);
  signal.addEventListener('abort', () => clearInterval(timer));
  return {
    answered: () => answered,
    async end() {
      const seconds = (performance.now() - began) / 1000;
      clearInterval(timer);
      await Promise.all(open);
      return { requests: Math.round(requests / seconds), refused };
    },
  };
}

/** The same caller at the other gateway, until it is let pass there too. */
async function brokenFor(
  signal: AbortSignal,
  { ask }: Gateway,
  headers: Record<string, string>,
): Promise<{ refusedElsewhere: number }> {
  let refusedElsewhere = 0;
  while ((await ask(headers)) !== 200 && !signal.aborted) refusedElsewhere += 1;
  return { refusedElsewhere };
}
