/** What is done over HTTP and MCP is in the audit, with who did it and from where. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contentOf } from '../audit/chain/verify-chain.ts';
import type { Stack } from '../compose/stack.ts';
import { mintKey } from '../crypto/key-format.ts';
import { adminToken, bearer, startAuthority } from '../../test/fixtures/authority-stack.ts';
import { mintRequest } from '../../test/fixtures/mint-request.ts';

async function eventsOf({ store }: Stack) {
  return (await store.events.list('events', { limit: 100 })).map(({ text }) => contentOf(text));
}

test('an admin’s acts are recorded with their reason, and who did not know the token as refused', async (t) => {
  const { adminOrigin, origin, stack } = await startAuthority(t);
  const ask = async (url: string, method: string, body?: object, headers = bearer(adminToken)) => {
    const answer = await fetch(url, { method, headers, ...(body && { body: JSON.stringify(body) }) });
    return ((await answer.json()) as { data: Record<string, string> }).data;
  };
  const key = await ask(`${adminOrigin}/admin/api/keys`, 'POST', { service: 'aidb' });
  await ask(`${adminOrigin}/admin/api/modes`, 'PUT', { mode: 'report', scope: 'echo', reason: 'INC-7' });
  await ask(`${adminOrigin}/admin/api/modes`, 'PUT', { mode: 'report', scope: 'nobody' });
  await ask(`${adminOrigin}/admin/api/modes`, 'PUT', { mode: 'inherit', all: true });
  await ask(`${adminOrigin}/admin/api/keys/${key['id']}`, 'DELETE');
  const token = await ask(`${origin}/auth/token`, 'POST', { scopes: ['admin:tokens'] });
  await ask(`${origin}/auth/tokens/${token['token_id']}`, 'DELETE', undefined, bearer('wrong'));
  for (let time = 0; time < 3; time += 1) await ask(`${origin}/auth/tokens/${token['token_id']}`, 'DELETE');
  const found = await eventsOf(stack);
  assert.deepEqual(
    found.map((content) => [content?.type, content?.subject, content?.reason]),
    [
      ['key.created', key['id'], ''],
      ['mode.set', 'echo', 'INC-7'],
      ['mode.reset', '*', ''],
      ['key.revoked', key['id'], ''],
      ['token.created', token['token_id'], ''],
      ['admin.refused', '', ''],
      ['token.revoked', token['token_id'], ''],
    ],
  );
  for (const content of found)
    assert.deepEqual(
      [content?.actor, content?.via, content?.from],
      [content?.type === 'admin.refused' ? 'operator:admin?' : 'operator:admin', 'http', '127.0.0.1'],
    );
  const text = JSON.stringify(found);
  assert.ok(!text.includes(key['key'] ?? '?') && !text.includes(token['token'] ?? '?'));
});

test('who administers tokens by MCP is named by their own credential', async (t) => {
  const { origin, stack } = await startAuthority(t);
  const minter = await stack.tokens.mint({ ...mintRequest, ttlSeconds: 600, scopes: ['admin:tokens'] });
  const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'create_auth_token', arguments: {} } };
  const answer = await fetch(`${origin}/mcp`, {
    method: 'POST',
    headers: {
      ...bearer(minter.token),
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2025-11-25',
    },
    body: JSON.stringify(call),
  });
  assert.equal(answer.status, 200, await answer.text());
  const [made] = await eventsOf(stack);
  assert.deepEqual(
    [made?.type, made?.actor, made?.via, made?.from],
    ['token.created', `token:${minter.record.tokenId}`, 'mcp', '127.0.0.1'],
  );
});

test('whoever revokes a credential of their own is named, and an unknown one is no event', async (t) => {
  const { origin, stack } = await startAuthority(t);
  const mint = { ...mintRequest, ttlSeconds: 600 };
  const { token, record } = await stack.tokens.mint(mint);
  const revoke = (what: string, by: string) =>
    fetch(`${origin}/auth/revoke`, { method: 'POST', headers: bearer(by), body: new URLSearchParams({ token: what }) });
  await revoke('nothing-known', adminToken);
  await revoke(token, token);
  const found = await eventsOf(stack);
  assert.deepEqual(
    found.map((content) => [content?.type, content?.actor]),
    [['token.revoked', `token:${record.tokenId}`]],
  );
});

test('guesses at the admin token are in the audit, once a minute however many, and with none of what was guessed', async (t) => {
  const { origin, stack } = await startAuthority(t);
  const guess = (token: string) => fetch(`${origin}/auth/token`, { method: 'POST', headers: bearer(token) });
  for (let time = 0; time < 11; time += 1) await guess(`a-guess-${time}`);
  // Neither a session token that has ended nor the right one is a guess.
  await guess(mintKey('st').key);
  await guess(adminToken);
  const before = await eventsOf(stack);
  await stack.close();
  const found = await eventsOf(stack);
  assert.deepEqual(
    [before, found].map((events) =>
      events.filter((content) => content?.type === 'admin.refused').map((content) => content?.detail),
    ),
    [[{ attempts: 1 }], [{ attempts: 1 }, { attempts: 10, throttled: 1 }]],
  );
  assert.ok(!JSON.stringify(found).includes('a-guess'));
});
