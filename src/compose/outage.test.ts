/** What a stack does while its store is away, on real servers behind a relay that can cut and swallow. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../core/clock.ts';
import type { Decision } from '../core/decision.ts';
import type { AuthRequest } from '../core/request.ts';
import { hmacSha256 } from '../crypto/hmac.ts';
import { createKey } from '../keys/create.ts';
import { revokeKey } from '../keys/revoke.ts';
import { signHttpRequest } from '../schemes/http-signature/index.ts';
import { requestWith } from '../../test/fixtures/asked.ts';
import { forThisFile, startPostgres, startRedis } from '../../test/fixtures/databases.ts';
import { tcpRelay } from '../../test/fixtures/tcp-relay.ts';
import { until } from '../../test/fixtures/until.ts';
import { parseConfig } from './load/load.ts';
import { openStore } from './open-store.ts';
import { createStack, type Stack } from './stack.ts';

const env = { COUNTERSIGN_MASTER_KEY: 'ab'.repeat(32) };
const servers = {
  redis: await forThisFile('Redis that goes away', startRedis),
  postgres: await forThisFile('Postgres that goes away', startPostgres),
};

const text = (store: string): string => `store: ${store}
callers: [aidb]
services:
  embeddings:
    upstream: http://127.0.0.1:9001
    onStoreOutage: cached(2s)
    routes:
      - { path: /strict, onStoreOutage: deny }
      - { path: /patient, onStoreOutage: cached(1h) }
`;

for (const [kind, server] of Object.entries(servers)) {
  if (!server) continue;
  test(`a replica cut off from ${kind} trusts what it knows as long as each route allows, and nothing stale after that`, async (t) => {
    const relay = await tcpRelay(t, server.port);
    const through = new URL(server.url);
    through.port = String(relay.port);
    const config = parseConfig(text(through.href), { file: null, env });
    const warnings: string[] = [];
    const stack = await createStack({ config, env, warn: (words) => warnings.push(words) });
    t.after(() => stack.close());
    const direct = await openStore(parseConfig(text(server.url), { file: null, env }).store, env);
    t.after(() => direct.close());
    const { record, key } = await createKey(direct, stack.seal, {
      service: 'aidb',
      kind: 'sk',
      expiresAt: null,
      now: 1_700_000_000,
    });
    const ask = async (path: string): Promise<string> =>
      said(await stack.guard.decide(requestTo(path, { 'x-api-key': key })));
    const every = () => Promise.all(['/strict', '/other', '/patient'].map(ask));
    await until(async () => (await ask('/strict')) === 'allow');
    assert.equal(stack.staleness.seconds(), null);

    relay.silence();
    await revokeKey(direct, record.id, 1_700_000_001);
    assert.deepEqual(await every(), ['allow', 'allow', 'allow'], 'nothing tells us yet that we are cut off');
    await until(async () => (await ask('/strict')) === 'unavailable');
    assert.equal(await ask('/patient'), 'allow');
    await until(async () => (await ask('/other')) === 'unavailable');
    assert.deepEqual(await every(), ['unavailable', 'unavailable', 'allow']);
    const order = { service: 'aidb', expiresAt: null, now: 1_700_000_001 } as const;
    const { key: newKey } = await createKey(direct, stack.seal, { ...order, kind: 'sk' });
    assert.equal(
      said(await stack.guard.decide(requestTo('/patient', { 'x-api-key': newKey }))),
      'unavailable',
      'it may be a new one',
    );
    assert.match((await stack.audit.metrics()).text, /^countersign_store_stale_seconds [1-9]/m);

    relay.restore();
    // From now on either nothing is trusted, or the revocation is known.
    await until(async () => {
      const now = await ask('/strict');
      assert.ok(now === 'unavailable' || now === 'revoked', now);
      return now === 'revoked';
    });
    assert.deepEqual(await every(), ['revoked', 'revoked', 'revoked']);
    assert.equal(said(await stack.guard.decide(requestTo('/patient', { 'x-api-key': newKey }))), 'allow');
    assert.equal(stack.staleness.seconds(), null);
    await until(async () => warnings.some((words) => words.includes('are heard again')));
    assert.equal(warnings.filter((words) => words.includes('not heard any more')).length, 1);
    assert.match((await stack.audit.metrics()).text, /^countersign_store_stale_seconds 0$/m);
  });
}

for (const [kind, server] of Object.entries(servers)) {
  if (!server) continue;
  test(`a start that leaves the schema of ${kind} alone reports no loss of changes`, async (t) => {
    const config = parseConfig(text(server.url), { file: null, env });
    await (await createStack({ config, env })).close();
    const warnings: string[] = [];
    const stack = await createStack({ config, env, migrate: false, warn: (words) => warnings.push(words) });
    t.after(() => stack.close());
    await until(() => stack.staleness.seconds() === null);
    assert.deepEqual(warnings, []);
  });
}

for (const [words, offset] of [
  ['ahead', 400],
  ['behind', -400],
] as const) {
  if (!servers.redis) continue;
  const { url } = servers.redis;
  test(`a replica whose clock is 400 s ${words} lets nothing in twice, and nobody who was revoked`, async (t) => {
    const config = parseConfig(text(url), { file: null, env });
    const [right, wrong] = [0, offset].map(async (seconds) => {
      const stack = await createStack({ config, env, clock: () => systemClock() + seconds });
      t.after(() => stack.close());
      return stack;
    }) as [Promise<Stack>, Promise<Stack>];
    const stacks = [await right, await wrong] as const;
    const [one, other] = stacks;
    const now = Math.floor(systemClock());
    const asks = (headers: Record<string, string>): Promise<string[]> =>
      Promise.all(stacks.map(async ({ guard }) => said(await guard.decide(requestTo('/x', headers)))));
    const known = (id: string) => until(async () => stacks.every(({ keyring }) => keyring.isLive(id)));

    const { record, key } = await createKey(one.store, one.seal, { service: 'aidb', kind: 'hs', expiresAt: null, now });
    await known(record.id);
    const signature = async (created: number): Promise<Record<string, string>> => {
      const mac = hmacSha256(Buffer.from(key));
      const request = {
        method: 'GET',
        target: '/embeddings/x',
        authority: '127.0.0.1',
        scheme: 'http',
        body: null,
      } as const;
      const signer = { keyid: record.id, sign: (base: string) => mac.bytes(Buffer.from(base)) };
      return (await signHttpRequest({ ...request, created, nonce: crypto.randomUUID() }, signer)).headers;
    };
    for (const [created, by] of [
      [now, ['allow', 'timestamp_outside_window']],
      [now + offset, ['timestamp_outside_window', 'allow']],
    ] as const) {
      const headers = await signature(created);
      assert.deepEqual(await asks(headers), by);
      assert.equal((await asks(headers)).includes('allow'), false);
    }

    const order = { scopes: [], allowedIps: [], clientId: null, metadata: {}, createdBy: 'test' };
    // Whose clock is the earlier one makes a token that has ended by the other's.
    const { token, record: session } = await (offset > 0 ? one : other).tokens.mint({ ...order, ttlSeconds: 300 });
    const withToken = { authorization: `Bearer ${token}` };
    assert.deepEqual(await asks(withToken), offset > 0 ? ['allow', 'expired'] : ['expired', 'allow']);
    await one.tokens.revoke(session.tokenId);
    await until(async () => (await asks(withToken)).every((reason) => reason === 'revoked'));
    const made = await createKey(other.store, other.seal, {
      service: 'aidb',
      kind: 'sk',
      expiresAt: null,
      now: now + offset,
    });
    await known(made.record.id);
    await revokeKey(one.store, made.record.id, now);
    await until(async () => stacks.every(({ keyring }) => !keyring.isLive(made.record.id)));
    assert.deepEqual(await asks({ 'x-api-key': made.key }), ['revoked', 'revoked']);
  });
}

function said({ outcome, verdict }: Decision): string {
  return verdict && !verdict.allowed ? verdict.reason : outcome;
}

function requestTo(path: string, headers: Readonly<Record<string, string>>): AuthRequest {
  return requestWith({ target: `/embeddings${path}`, path, headers, authority: '127.0.0.1' });
}
