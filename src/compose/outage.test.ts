/** What a stack does while its store is away, on real servers behind a relay that can cut and swallow. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Decision } from '../core/decision.ts';
import type { AuthRequest } from '../core/request.ts';
import { createKey } from '../keys/create.ts';
import { revokeKey } from '../keys/revoke.ts';
import { forThisFile, startPostgres, startRedis } from '../../test/fixtures/databases.ts';
import { tcpRelay } from '../../test/fixtures/tcp-relay.ts';
import { parseConfig } from './load.ts';
import { openStore } from './open-store.ts';
import { createStack } from './stack.ts';

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
    const ask = async (path: string): Promise<string> => said(await stack.guard.decide(requestTo(path, key)));
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
    assert.match((await stack.audit.metrics()).text, /^countersign_store_stale_seconds [1-9]/m);

    relay.restore();
    // From now on either nothing is trusted, or the revocation is known.
    await until(async () => {
      const now = await ask('/strict');
      assert.ok(now === 'unavailable' || now === 'revoked', now);
      return now === 'revoked';
    });
    assert.deepEqual(await every(), ['revoked', 'revoked', 'revoked']);
    assert.equal(stack.staleness.seconds(), null);
    await until(async () => warnings.some((words) => words.includes('are heard again')));
    assert.equal(warnings.filter((words) => words.includes('not heard any more')).length, 1);
    assert.match((await stack.audit.metrics()).text, /^countersign_store_stale_seconds 0$/m);
  });
}

function said({ outcome, verdict }: Decision): string {
  return verdict && !verdict.allowed ? verdict.reason : outcome;
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5));
}

function requestTo(path: string, key: string): AuthRequest {
  return {
    method: 'GET',
    target: `/embeddings${path}`,
    path,
    service: 'embeddings',
    authority: '127.0.0.1',
    protocol: 'http',
    remoteAddress: '192.0.2.7',
    requestId: 'r1',
    fields: (name) => (name === 'x-api-key' ? [key] : []),
    bodyPresence: 'none',
    body: async () => new Uint8Array(),
  };
}
