import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import * as fc from '../../../test/fixtures/properties.ts';
import { until } from '../../../test/fixtures/until.ts';
import type { RouteRule } from '../../core/route.ts';
import { sqliteStore } from '../../stores/sqlite/store.ts';
import { ruleOf } from '../build/build.ts';
import { parseConfig } from '../load/load.ts';
import { rawRoute } from '../schema/raw-route.ts';
import {
  publishRoutes,
  publishedRevision,
  routeSetOf,
  sameRules,
  storedRoutes,
  withdrawRoutes,
} from '../build/route-set.ts';
import type { RawRoute } from '../schema/schema.ts';
import { createStack, type Stack } from '../stack.ts';

const env = { COUNTERSIGN_MASTER_KEY: 'ab'.repeat(32) };

function configWith(routes: string) {
  const text = `store: memory\ncallers: [aidb]\nservices:\n  embeddings: { upstream: http://127.0.0.1:9001, routes: [${routes}] }\n  other: { upstream: http://127.0.0.1:9002 }\n`;
  return parseConfig(text, { file: null, env });
}

interface Stacks {
  readonly stacks: readonly Stack[];
  readonly warnings: string[];
  readonly records: Stack['store']['records'];
}

/** Two on one file of SQLite, as two processes would be. */
async function twoStacks(t: TestContext, routes: string): Promise<Stacks> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-routes-'));
  const warnings: string[] = [];
  const stacks: Stack[] = [];
  t.after(async () => {
    for (const stack of stacks) {
      await stack.close();
      await stack.store.close();
    }
    rmSync(folder, { recursive: true });
  });
  for (let count = 0; count < 2; count += 1) {
    const store = sqliteStore({ file: join(folder, 'state.db'), pollMillis: 5 });
    stacks.push(await createStack({ config: configWith(routes), env, store, warn: (text) => warnings.push(text) }));
  }
  return { stacks, warnings, records: (stacks[0] as Stack).store.records };
}

const pathsOf = (stack: Stack): string[] => (stack.service('embeddings')?.rules ?? []).map(({ path }) => path);

test('what is published counts on every replica in place of its file, over a reload, until it is withdrawn', async (t) => {
  const { stacks, records, warnings } = await twoStacks(t, '{ path: /file, access: public }');
  const set = routeSetOf(configWith('{ path: /shared, scopes: [a] }'), 'operator:cli', 1_800_000_000);
  assert.equal(await publishRoutes(records, set, null), true);
  await until(() => stacks.every((stack) => pathsOf(stack).join() === '/shared'));
  for (const stack of stacks) {
    stack.reload(configWith('{ path: /reloaded }'));
    assert.deepEqual(pathsOf(stack), ['/shared']);
    assert.deepEqual(stack.service('other')?.rules, []);
  }
  assert.ok(
    warnings.some((text) => /the routes of embeddings are those that operator:cli published at 2027-/.test(text)),
  );

  assert.equal(await publishRoutes(records, set, null), false, 'somebody published before');
  const revision = await publishedRevision(records, 1_800_000_000);
  assert.equal(await withdrawRoutes(records, revision ?? '', 1_800_000_000), true);
  await until(() => stacks.every((stack) => pathsOf(stack).join() === '/reloaded'));
});

test('a set that cannot be used changes nothing and counts as stale; who starts with it refuses', async (t) => {
  const { stacks, records, warnings } = await twoStacks(t, '{ path: /file }');
  const put = async (services: unknown): Promise<void> => {
    const expected = await publishedRevision(records, 1);
    const value = { publishedAt: 1, publishedBy: 'test', services } as never;
    assert.ok(await records.put({ kind: 'routes', id: 'published', value, expiresAt: null }, expected, 1));
  };
  for (const bad of [
    { embeddings: [{ path: '/x', acess: 'public' }] },
    { embeddings: [{ path: '/x' }, { path: '/x' }] },
    { embeddings: [{ path: '/x', allowedIps: ['nowhere'] }] },
    { embeddings: [{ path: '/%2e%2e' }] },
  ]) {
    await put(bad);
    await until(() => stacks.every((stack) => stack.staleness.seconds() !== null));
    await until(() => warnings.some((text) => text.includes('the last good ones stay in force')));
    for (const stack of stacks) assert.deepEqual(pathsOf(stack), ['/file']);
    await assert.rejects(
      storedRoutes(records, 1).then((stored) => createStackOn(stacks, stored === null)),
      {
        code: 'routes_unreadable',
      },
    );
    warnings.length = 0;
    await put({ embeddings: [{ path: '/file' }] });
    await until(() => stacks.every((stack) => stack.staleness.seconds() === null));
  }
});

function createStackOn([stack]: readonly Stack[], nothing: boolean): Promise<Stack> {
  assert.equal(nothing, false);
  return createStack({ config: configWith(''), env, store: (stack as Stack).store });
}

test('property: a rule is the same after it was written down and read', () => {
  const route: fc.Arbitrary<RawRoute> = fc.record(
    {
      path: fc.constantFrom('/x', '/x/:id', '/x/*', '/'),
      methods: fc.uniqueArray(fc.constantFrom('GET', 'POST', 'PUT'), { minLength: 1 }),
      access: fc.constantFrom('public', 'any', 'service', 'operator'),
      callers: fc.uniqueArray(fc.constantFrom('aidb', 'token:1'), { minLength: 1 }),
      scopes: fc.uniqueArray(fc.constantFrom('a', 'b:c'), { minLength: 1 }),
      allowedIps: fc.uniqueArray(fc.constantFrom('192.0.2.0/24', '::1'), { minLength: 1 }),
      rateLimit: fc.record({ limit: fc.integer({ min: 1, max: 9 }), per: fc.constantFrom('90s', '2h') }),
      mode: fc.constantFrom('off', 'report', 'enforce'),
      onStoreOutage: fc.constantFrom('deny', 'cached(90s)', 'cached(5m)', 'cached(9999999d)', 'cached(1h)'),
    },
    { requiredKeys: ['path'] },
  );
  fc.assert(
    fc.property(fc.array(route, { maxLength: 4 }), (routes) => {
      const rules: RouteRule[] = routes.map(ruleOf);
      const again = (JSON.parse(JSON.stringify(rules.map(rawRoute))) as RawRoute[]).map(ruleOf);
      assert.ok(sameRules(rules, again));
      assert.deepEqual(plain(again), plain(rules));
    }),
  );
});

function plain(rules: readonly RouteRule[]): unknown {
  return rules.map(({ addresses, ...rest }) => ({ ...rest, addresses: addresses?.cidrs ?? null }));
}
