/** What every adapter does with an answer that lasts longer than its caller's credential. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { StackConfig } from '../compose/config.ts';
import type { Protection } from '../compose/protection/protection.ts';
import type { Mode } from '../core/mode.ts';
import type { Principal } from '../core/verdict.ts';
import { sha256Hex } from '../crypto/digest.ts';
import { createKey } from '../keys/create.ts';
import { revokeKey } from '../keys/revoke.ts';
import { rampPlan } from '../rollout/ramp/ramp.fixtures.ts';
import { changeRamp } from '../rollout/ramp/record.ts';
import { started } from '../rollout/ramp/state.ts';
import { ruleFor } from '../../test/fixtures/asked.ts';
import { until } from '../../test/fixtures/until.ts';

export interface KnownKey {
  readonly id: string;
  readonly key: string;
  readonly principal: Principal;
}

/** A key of the service aidb that the protection knows. */
export async function knownKey({ stack }: Protection, expiresAt: number | null = null): Promise<KnownKey> {
  const order = { service: 'aidb', kind: 'sk', expiresAt, now: stack.clock() } as const;
  const { record, key } = await createKey(stack.store, stack.seal, order);
  const principal = () => stack.keyring.apiKey(sha256Hex(key))?.principal;
  while (principal() === undefined) await new Promise((resolve) => setImmediate(resolve));
  return { id: record.id, key, principal: principal() as Principal };
}

/** A ramp that enforces all of it for everybody. */
async function beginRamp({ stack }: Protection): Promise<void> {
  await changeRamp(stack.store.records, stack.clock, () => started(rampPlan(), 'salt', 'operator:cli', stack.clock()));
}

/** Serves, with the mode asked for, GET /stream, which answers a line at once and then one every 20 ms without an end. */
export type Streaming = (t: TestContext, mode: Mode) => Promise<Streams>;

export interface Streams {
  readonly port: number;
  readonly shared: Protection;
  /** Of the decisions in the log. */
  outcomes(): string[];
}

export function streamsContract(serving: Streaming): void {
  async function opened(port: number, { key }: Partial<KnownKey>): Promise<ReadableStreamDefaultReader<Uint8Array>> {
    const response = await fetch(`http://127.0.0.1:${port}/stream`, {
      headers: key === undefined ? {} : { 'x-api-key': key },
    });
    assert.equal(response.status, 200);
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    assert.match(Buffer.from((await reader.read()).value ?? []).toString(), /^open/);
    return reader;
  }

  async function readToItsEnd(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    while (!(await reader.read()).done);
  }

  test('cuts off an answer that is open when its key is revoked', { timeout: 20_000 }, async (t) => {
    const { port, shared } = await serving(t, 'enforce');
    const [mine, another] = [await knownKey(shared), await knownKey(shared)];
    const [reader, other] = [await opened(port, mine), await opened(port, another)];
    await revokeKey(shared.stack.store, mine.id, shared.stack.clock());
    await assert.rejects(readToItsEnd(reader));
    await other.read();
    await other.cancel();
  });

  test('cuts off an answer that is open when its key expires', { timeout: 20_000 }, async (t) => {
    const { port, shared } = await serving(t, 'enforce');
    const { clock } = shared.stack;
    const expiresAt = clock() + 0.5;
    const reader = await opened(port, await knownKey(shared, expiresAt));
    await assert.rejects(readToItsEnd(reader));
    assert.ok(clock() >= expiresAt);
  });

  test('cuts nothing off in report mode', { timeout: 20_000 }, async (t) => {
    const { port, shared } = await serving(t, 'report');
    const mine = await knownKey(shared);
    const reader = await opened(port, mine);
    const dead = Promise.withResolvers<void>();
    // Whoever is to be told of the key's end has been told when this is.
    shared.stack.liveness.track(mine.principal, dead.resolve);
    await revokeKey(shared.stack.store, mine.id, shared.stack.clock());
    await dead.promise;
    for (let line = 0; line < 10; line += 1) assert.equal((await reader.read()).done, false);
    await reader.cancel();
  });

  test(
    'a step of a ramp ends what strangers opened before it, and watches over proven callers',
    { timeout: 20_000 },
    async (t) => {
      const { port, shared } = await serving(t, 'report');
      const mine = await knownKey(shared);
      const [reader, stranger] = [await opened(port, mine), await opened(port, {})];
      await beginRamp(shared);
      await assert.rejects(readToItsEnd(stranger));
      await reader.read();
      await revokeKey(shared.stack.store, mine.id, shared.stack.clock());
      await assert.rejects(readToItsEnd(reader));
    },
  );

  test('a step that would cut a known caller off goes back, and cuts nobody off', { timeout: 20_000 }, async (t) => {
    const { port, shared } = await serving(t, 'report');
    const { clock } = shared.stack;
    const expiresAt = clock() + 0.2;
    const [mine, ended] = [await knownKey(shared), await knownKey(shared, expiresAt)];
    await until(() => clock() > expiresAt);
    const readers = [await opened(port, {}), await opened(port, mine), await opened(port, ended)];
    await beginRamp(shared);
    await until(() => shared.stack.ramp.state()?.status === 'withdrawn');
    assert.deepEqual(
      shared.stack.ramp.state()?.culprits.map(({ caller, reason }) => [caller, reason]),
      [['service:aidb', 'expired']],
    );
    await revokeKey(shared.stack.store, mine.id, clock());
    for (let line = 0; line < 40; line += 1)
      for (const reader of readers) assert.equal((await reader.read()).done, false);
    for (const reader of readers) await reader.cancel();
  });

  test('cuts off an answer whose caller a new configuration no longer lets call', { timeout: 20_000 }, async (t) => {
    const { port, shared, outcomes } = await serving(t, 'enforce');
    const reader = await opened(port, await knownKey(shared));
    const { config } = shared.stack;
    const narrowed = (callers: string[]): StackConfig => ({
      ...config,
      services: config.services.map((service) => ({ ...service, rules: [ruleFor('/stream', { callers })] })),
    });
    shared.stack.reload(narrowed(['other', 'aidb']));
    for (let line = 0; line < 30; line += 1) assert.equal((await reader.read()).done, false);
    shared.stack.reload(narrowed(['other']));
    await assert.rejects(readToItsEnd(reader));
    assert.deepEqual(outcomes(), ['allow', 'deny']);
  });

  test('cuts off an answer whose credential a new configuration does not accept', { timeout: 20_000 }, async (t) => {
    const { port, shared, outcomes } = await serving(t, 'enforce');
    const reader = await opened(port, await knownKey(shared));
    const { config } = shared.stack;
    const services = config.services.map((service) => ({ ...service, accept: ['session-token' as const] }));
    shared.stack.reload({ ...config, services });
    await assert.rejects(readToItsEnd(reader));
    assert.deepEqual(outcomes(), ['allow', 'deny']);
  });

  test('holds what was opened before to what is enforced since', { timeout: 20_000 }, async (t) => {
    const { port, shared, outcomes } = await serving(t, 'report');
    const mine = await knownKey(shared);
    const [reader, stranger] = [await opened(port, mine), await opened(port, {})];
    await shared.stack.modes.set(shared.service, 'enforce', 'operator:cli');
    await assert.rejects(readToItsEnd(stranger));
    assert.deepEqual(outcomes(), ['allow', 'would_deny', 'deny']);
    await reader.read();
    await revokeKey(shared.stack.store, mine.id, shared.stack.clock());
    await assert.rejects(readToItsEnd(reader));
    assert.equal(outcomes().length, 3, 'that a credential ends is no refusal');
  });
}
