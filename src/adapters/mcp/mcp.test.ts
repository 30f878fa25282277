import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createKey } from '../../keys/create.ts';
import { revokeKey } from '../../keys/revoke.ts';
import {
  bearer,
  guards,
  keyOf,
  post,
  start,
  talkFor,
  tokenOf,
  verifiers,
  type Host,
  type Seen,
  type Talker,
} from './mcp.fixtures.ts';

const seenBy = async (talker: Talker): Promise<Seen> => JSON.parse((await talker.call('whoami')).text) as Seen;

async function revoke({ stack }: Host, id: string): Promise<void> {
  await revokeKey(stack.store, id, stack.clock());
}

/** The clients put the status into the error's code, its status or its message; the newest knows one 403 by its name. */
const says = (status: number) => (error: unknown) => {
  const { name, code, status: field, message } = error as Error & { code?: unknown; status?: unknown };
  if (status === 403 && name === 'InsufficientScopeError') return true;
  return [code, field].includes(status) || new RegExp(`\\b${status}\\b`).test(message);
};

for (const [name, guarding] of Object.entries({ ...verifiers, ...guards })) {
  const talk = talkFor(name);

  describe(`an MCP server (${name})`, () => {
    it('refuses who shows nothing, and the official client hears 401', async (t) => {
      const host = await start(t, guarding);
      const { status, headers } = await post(host.url, {});
      assert.equal(status, 401);
      assert.match(headers.get('www-authenticate') ?? '', /^Bearer /);
      await assert.rejects(talk(t, host.url, {}), says(401));
    });

    it('refuses a wrong, an expired and a revoked key, and a revoked token', async (t) => {
      const host = await start(t, guarding);
      const { stack } = host;
      const now = stack.clock();
      const { key: expired } = await createKey(stack.store, stack.seal, {
        service: 'agent',
        kind: 'sk',
        expiresAt: now - 10,
        now: now - 100,
      });
      const revoked = await keyOf(host);
      await revoke(host, revoked.id);
      const dead = await tokenOf(host);
      await stack.tokens.revoke(dead.id);
      for (const shown of ['nonsense', 'x'.repeat(9000), expired, revoked.key, dead.token]) {
        const response = await post(host.url, bearer(shown));
        assert.equal(response.status, 401, shown.slice(0, 20));
        assert.match(await response.text(), /Invalid or expired token|Invalid Authorization header format/);
        await assert.rejects(talk(t, host.url, bearer(shown)), says(401));
      }
    });

    it('lets a key pass and tells the handler whose it is', async (t) => {
      const host = await start(t, guarding);
      const { id, key } = await keyOf(host, { scopes: ['a', 'b'] });
      const seen = await seenBy(await talk(t, host.url, bearer(key)));
      assert.equal(seen.clientId, 'service:agent');
      assert.equal(seen.principal, 'service:agent');
      assert.deepEqual(seen.scopes, ['a', 'b']);
      assert.equal(seen.token, name in verifiers ? key : id);
    });

    it('makes up an end for a key that has none, and keeps the one that a credential has', async (t) => {
      const clock = () => Math.floor(Date.now() / 1000);
      const host = await start(t, guarding, { clock });
      const endless = await keyOf(host);
      const from = clock() + 3600;
      const seen = await seenBy(await talk(t, host.url, bearer(endless.key)));
      assert.ok((seen.expiresAt ?? 0) >= from && (seen.expiresAt ?? 0) <= clock() + 3600);
      const ending = await keyOf(host, { expiresAt: from + 86_400 });
      assert.equal((await seenBy(await talk(t, host.url, bearer(ending.key)))).expiresAt, from + 86_400);
    });

    it('lets a session token pass', async (t) => {
      const host = await start(t, guarding);
      const { id, token, expiresAt } = await tokenOf(host, ['a']);
      const seen = await seenBy(await talk(t, host.url, bearer(token)));
      assert.equal(seen.clientId, `token:${id}`);
      assert.equal(seen.expiresAt, expiresAt);
    });

    it('asks for the scopes and callers of its route with 403', async (t) => {
      const routes = [{ path: '/mcp', callers: ['agent'], scopes: ['mcp:use'] }] as const;
      const host = await start(t, guarding, { routes });
      const { key: without } = await keyOf(host);
      const refused = await post(host.url, bearer(without));
      assert.equal(refused.status, 403);
      assert.match(refused.headers.get('www-authenticate') ?? '', /error="insufficient_scope"/);
      await assert.rejects(talk(t, host.url, bearer(without)), says(403));
      const { token: stranger } = await tokenOf(host, ['mcp:use']);
      assert.equal((await post(host.url, bearer(stranger))).status, 403);
      const { key: right } = await keyOf(host, { scopes: ['mcp:use'] });
      assert.equal((await seenBy(await talk(t, host.url, bearer(right)))).clientId, 'service:agent');
    });

    it('asks for the scopes of a tool with an error that a model can read', async (t) => {
      const host = await start(t, guarding);
      const { key: without } = await keyOf(host, { scopes: ['tools:read'] });
      const { isError, text } = await (await talk(t, host.url, bearer(without))).call('wipe');
      assert.equal(isError, true);
      const told = JSON.parse(text) as { error: string; reason: string; required_scopes: string[] };
      assert.equal(told.reason, 'insufficient_scope');
      assert.deepEqual(told.required_scopes, ['tools:write']);
      assert.match(
        told.error,
        /^Insufficient scope: the tool wipe needs the scope tools:write, and service:agent has only/,
      );
      const { key: right } = await keyOf(host, { scopes: ['tools:write'] });
      assert.deepEqual(await (await talk(t, host.url, bearer(right))).call('wipe'), { isError: false, text: 'done' });
    });

    it('ends a session with its key', async (t) => {
      const host = await start(t, guarding);
      const { id, key } = await keyOf(host);
      const talker = await talk(t, host.url, bearer(key));
      assert.equal((await seenBy(talker)).clientId, 'service:agent');
      await revoke(host, id);
      await assert.rejects(talker.call('whoami'), says(401));
    });
  });
}
