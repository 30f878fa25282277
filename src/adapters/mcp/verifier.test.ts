import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { inspect } from 'node:util';
import { OAuthError, requireBearerAuth } from '@modelcontextprotocol/server';
import { OAuthError as ClientsOAuthError } from '@modelcontextprotocol/client';
import * as errors from '@modelcontextprotocol/sdk/server/auth/errors.js';
import { mintKey } from '../../crypto/key-format.ts';
import { memoryStore } from '../../stores/memory/store.ts';
import { authInfoOf, principalOf, tokenVerifier, type AuthInfo, type VerifierOptions } from './index.ts';
import { bearer, keyOf, post, start, talkFor, tokenOf, verifiers, type OwnOptions, type Seen } from './mcp.fixtures.ts';

async function verifierFor(
  t: TestContext,
  options: OwnOptions & Pick<VerifierOptions, 'errors' | 'path' | 'resource'> = {},
) {
  const store = memoryStore();
  const env = { COUNTERSIGN_MASTER_KEY: 'ab'.repeat(32) };
  const warn = () => undefined;
  const given = { service: 'tools', keys: [], mode: 'enforce' as const, store, env, warn, ...options };
  const verifier = await tokenVerifier(given);
  t.after(async () => {
    await verifier.close();
    await store.close();
  });
  const { protection } = verifier;
  return { verifier, store, host: { url: new URL('http://127.0.0.1/mcp'), protection, stack: protection.stack } };
}

const caught = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => assert.fail('it passed'),
    (error: unknown) => error,
  );

describe('a token verifier', () => {
  it("throws what each SDK takes for its own error, also another copy's", async (t) => {
    const { verifier } = await verifierFor(t);
    const error = await caught(verifier.verifyAccessToken('nonsense'));
    // Server and client bundle a copy of the class each.
    assert.ok(error instanceof OAuthError && error instanceof ClientsOAuthError);
    assert.equal(error.code, 'invalid_token');
    const told = { error: 'invalid_token', error_description: 'Invalid or expired token' };
    assert.deepEqual(error.toResponseObject(), told);
    const { verifier: first } = await verifierFor(t, { errors });
    const old = await caught(first.verifyAccessToken('nonsense'));
    assert.ok(old instanceof errors.InvalidTokenError);
    assert.deepEqual(old.toResponseObject(), told);
  });

  for (const [name, guarding] of Object.entries(verifiers)) {
    it(`says that it cannot tell with 500 and never with 401 (${name})`, async (t) => {
      const host = await start(t, guarding);
      const { token } = await tokenOf(host);
      Object.assign(host.stack.store.tokens, { byHash: () => Promise.reject(new Error('the disk is gone')) });
      const response = await post(host.url, bearer(token));
      const text = await response.text();
      assert.equal(response.status, 500, text);
      assert.deepEqual(JSON.parse(text), { error: 'server_error', error_description: 'Authentication unavailable' });
    });

    it(`refuses a key that is bound to addresses, since it sees none (${name})`, async (t) => {
      const host = await start(t, guarding);
      const { key } = await keyOf(host, { allowedIps: ['0.0.0.0/0', '::/0'] });
      const response = await post(host.url, bearer(key));
      assert.equal(response.status, 403);
      assert.match(await response.text(), /Address not allowed/);
    });

    it(`wants to know who it is in report mode and off, too (${name})`, async (t) => {
      for (const mode of ['report', 'off'] as const) {
        const routes = [{ path: '/mcp', scopes: ['nobody:has'] }];
        const host = await start(t, guarding, { mode, routes });
        const { key } = await keyOf(host);
        const talker = await talkFor(name)(t, host.url, bearer(key));
        const seen = JSON.parse((await talker.call('whoami')).text) as Seen;
        assert.equal(seen.principal, 'service:agent');
        assert.equal((await post(host.url, bearer('nonsense'))).status, 401);
        assert.equal((await post(host.url, {})).status, 401);
      }
    });
  }

  it('tells who gives it rules for tools that with those it can let nobody in', async (t) => {
    for (const rules of [{ tools: { deny: ['wipe'] } }, { resources: { allow: ['note://*'] } }, {}]) {
      const told: string[] = [];
      const { verifier, host } = await verifierFor(t, { ...rules, warn: (text) => void told.push(text) });
      const complaints = () => told.filter((text) => text.startsWith('tokenVerifier: ')).length;
      const expected = Object.keys(rules).length;
      assert.equal(complaints(), expected, 'when it is made');
      const { key } = await keyOf(host);
      const code = await verifier.verifyAccessToken(key).then(
        () => null,
        (error: unknown) => (error as OAuthError).code,
      );
      assert.equal(code, expected === 0 ? null : 'insufficient_scope');
      assert.equal(complaints(), expected, 'and not again');
    }
  });

  it('does not call a key wrong that may be a new one, in report neither', async (t) => {
    const away = {
      name: 'an authority that is away',
      start: async () => undefined,
      refresh: async () => undefined,
      keys: () => [],
      warnings: () => [],
      unheard: () => 'it is away',
      close: () => undefined,
    };
    for (const mode of ['enforce', 'report'] as const) {
      const { verifier } = await verifierFor(t, { keys: [away], mode });
      const error = await caught(verifier.verifyAccessToken(mintKey('sk').key));
      assert.equal((error as OAuthError).code, 'server_error', mode);
    }
  });

  it('judges by the rules of the path that it was given', async (t) => {
    const routes = [{ path: '/tools/mcp', scopes: ['tools'] }];
    const { verifier, host } = await verifierFor(t, { routes, path: '/tools/mcp' });
    const { key } = await keyOf(host);
    assert.equal(((await caught(verifier.verifyAccessToken(key))) as OAuthError).code, 'insufficient_scope');
    const { key: right } = await keyOf(host, { scopes: ['tools'] });
    assert.equal((await verifier.verifyAccessToken(right)).clientId, 'service:agent');
  });

  it('reports the resource, so that expectedResource can be asked for', async (t) => {
    const resource = new URL('https://tools.example/mcp');
    const { verifier, host } = await verifierFor(t, { resource });
    const { key } = await keyOf(host);
    const request = new Request(resource, { headers: bearer(key) });
    const gate = requireBearerAuth({ verifier, expectedResource: new URL('https://tools.example/mcp/') });
    assert.equal(((await gate(request)) as AuthInfo).clientId, 'service:agent');
    const other = requireBearerAuth({ verifier, expectedResource: new URL('https://other.example/mcp') });
    assert.equal(((await other(request)) as Response).status, 401);
  });

  it('records what it decides', async (t) => {
    const seen: string[] = [];
    const { verifier, host } = await verifierFor(t, {
      onDecision: ({ verdict, outcome }) => void seen.push(`${outcome} ${verdict?.allowed}`),
    });
    const { key } = await keyOf(host);
    await verifier.verifyAccessToken(key);
    await caught(verifier.verifyAccessToken('nonsense'));
    assert.deepEqual(seen, ['allow true', 'deny false']);
  });

  it('refuses a path that no rule could name', async () => {
    for (const path of ['mcp', '', '/a//b'])
      await assert.rejects(
        tokenVerifier({ service: 'tools', keys: [], env: {}, path }),
        /the path .* cannot be judged/,
      );
  });
});

describe('an AuthInfo', () => {
  const principal = {
    id: 'service:agent',
    scheme: 'api-key',
    credentialId: 'abc',
    scopes: ['a'],
    expiresAt: null,
    addresses: null,
  };

  it('does not show its token when it is printed or turned into JSON', () => {
    const info = authInfoOf(principal, { now: 0, token: 'very-secret' });
    assert.equal(info.token, 'very-secret');
    for (const text of [JSON.stringify({ info }), inspect(info), inspect({ deep: { info } })])
      assert.ok(!text.includes('very-secret'), text);
    assert.match(JSON.stringify(info), /"clientId":"service:agent"/);
  });

  it('keeps its principal through a copy, and has none when another verifier made it', () => {
    const info = authInfoOf(principal, { now: 0 });
    assert.equal(principalOf({ ...info })?.id, 'service:agent');
    assert.equal(principalOf(undefined), null);
    assert.equal(principalOf({ clientId: 'x', scopes: [] }), null);
    assert.equal(principalOf({ clientId: 'x', scopes: [], extra: { principal: 'service:agent' } }), null);
  });
});
