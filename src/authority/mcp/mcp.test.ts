import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Client, StreamableHTTPClientTransport, type VersionNegotiationMode } from '@modelcontextprotocol/client';
import { adminToken, bearer, rawRequest, startAuthority } from '../../../test/fixtures/authority-stack.ts';
import { createKey } from '../../keys/create.ts';
import { mintRequest } from '../../../test/fixtures/mint-request.ts';

const eras: readonly (readonly [string, VersionNegotiationMode, string])[] = [
  ['2025, with initialize', 'legacy', 'legacy'],
  ['2026-07-28, stateless', { pin: '2026-07-28' }, 'modern'],
  ['whatever is best', 'auto', 'modern'],
];

async function connect(t: TestContext, origin: string, token: string, mode: VersionNegotiationMode): Promise<Client> {
  const client = new Client({ name: 'test', version: '1.0.0' }, { versionNegotiation: { mode } });
  await client.connect(
    new StreamableHTTPClientTransport(new URL(`${origin}/mcp`), { requestInit: { headers: bearer(token) } }),
  );
  t.after(() => client.close());
  return client;
}

interface ToolAnswer {
  readonly isError: boolean;
  readonly data: Record<string, unknown>;
}

/** A result with the same data as text and as structured content, or it fails. */
async function callTool(client: Client, name: string, args: Record<string, unknown> = {}): Promise<ToolAnswer> {
  const result = await client.callTool({ name, arguments: args });
  const [first] = result.content as { type: string; text: string }[];
  assert.equal(first?.type, 'text');
  if (result.structuredContent !== undefined) assert.deepEqual(JSON.parse(first.text), result.structuredContent);
  const data = (result.structuredContent ?? { text: first.text }) as Record<string, unknown>;
  return { isError: result.isError === true, data };
}

for (const [name, mode, era] of eras) {
  test(`the official client calls every tool: ${name}`, async (t) => {
    const { origin, stack } = await startAuthority(t);
    await createKey(stack.store, stack.seal, { service: 'aidb', kind: 'sk', expiresAt: null, now: stack.clock() });
    const client = await connect(t, origin, adminToken, mode);
    assert.equal(client.getProtocolEra(), era);
    const { tools } = await client.listTools();
    assert.deepEqual(
      tools.map((tool) => [tool.name, tool.annotations?.readOnlyHint]),
      [
        ['create_auth_token', false],
        ['revoke_auth_token', false],
        ['list_active_tokens', true],
        ['auth_report', true],
        ['get_modes', true],
        ['list_keys', true],
      ],
    );
    for (const tool of tools) assert.equal(tool.inputSchema['additionalProperties'], false, tool.name);

    const created = await callTool(client, 'create_auth_token', {
      ttl_hours: 0.5,
      scopes: ['embed:write'],
      metadata: { by: 'agent' },
    });
    assert.equal(created.isError, false);
    assert.deepEqual(Object.keys(created.data), ['token', 'token_id', 'expires_at', 'ttl_hours']);
    assert.match(String(created.data['token']), /^cs_st_/);
    const listed = await callTool(client, 'list_active_tokens');
    assert.equal(listed.data['count'], 1);
    assert.ok(!JSON.stringify(listed.data).includes(String(created.data['token'])));
    const tokenId = String(created.data['token_id']);
    assert.equal((await callTool(client, 'revoke_auth_token', { token_id: tokenId })).data['token_id'], tokenId);
    assert.equal((await callTool(client, 'list_active_tokens')).data['count'], 0);
    const unknown = await callTool(client, 'revoke_auth_token', { token_id: '00000000-0000-4000-8000-000000000000' });
    assert.deepEqual(unknown, {
      isError: true,
      data: { error: 'Not found: no token has this token_id', reason: 'not_found' },
    });

    const report = await callTool(client, 'auth_report', { since: '90m' });
    for (const total of ['requests', 'allowed', 'denied', 'would_deny', 'public'])
      assert.equal(report.data[total], 0, total);
    assert.equal((await callTool(client, 'auth_report', { since: 'yesterday' })).isError, true);
    const shown = (await callTool(client, 'get_modes')).data as { modes: { scope: string }[]; ramped: object[] };
    assert.ok(shown.modes.some((line) => line.scope === ''));
    assert.deepEqual(shown.ramped, []);
    const { keys } = (await callTool(client, 'list_keys')).data as { keys: { service: string }[] };
    assert.deepEqual(
      keys.map((key) => key.service),
      ['aidb'],
    );
  });

  test(`what a tool refuses, an agent can act on: ${name}`, async (t) => {
    const { origin, stack } = await startAuthority(t);
    const client = await connect(t, origin, adminToken, mode);
    for (const args of [
      { ttl: 5 },
      { ttl_hours: 0 },
      { ttl_hours: '1' },
      { scopes: ['a b'] },
      { allowed_ips: ['10.0.0.0/99'] },
    ]) {
      const result = await callTool(client, 'create_auth_token', args).catch((error: unknown) => ({
        isError: true,
        data: { error },
      }));
      assert.equal(result.isError, true, JSON.stringify(args));
    }
    assert.equal((await stack.tokens.listActive(10)).length, 0);
    // The same five as over HTTP.
    for (let index = 0; index < 2; index += 1)
      assert.equal((await fetch(`${origin}/auth/token`, { method: 'POST', headers: bearer(adminToken) })).status, 201);
    for (let index = 0; index < 3; index += 1)
      assert.equal((await callTool(client, 'create_auth_token')).isError, false);
    const limited = await callTool(client, 'create_auth_token');
    assert.equal(limited.isError, true);
    assert.equal(limited.data['reason'], 'rate_limited');
    assert.ok(Number(limited.data['retry_after_seconds']) >= 1);
    assert.equal((await fetch(`${origin}/auth/token`, { method: 'POST', headers: bearer(adminToken) })).status, 429);
  });

  test(`a scoped caller mints within its own bounds: ${name}`, async (t) => {
    const { origin, stack } = await startAuthority(t);
    const minter = await stack.tokens.mint({
      ...mintRequest,
      ttlSeconds: 3600,
      scopes: ['admin:tokens', 'embed:read'],
    });
    const client = await connect(t, origin, minter.token, mode);
    const child = await callTool(client, 'create_auth_token', { scopes: ['embed:read'] });
    assert.equal(child.isError, false);
    assert.ok(Number(child.data['ttl_hours']) <= 1);
    for (const [args, reason] of [
      [{ scopes: ['admin:tokens'] }, 'not_allowed'],
      [{ scopes: ['embed:write'] }, 'insufficient_scope'],
      [{ ttl_hours: 2 }, 'not_allowed'],
    ] as const) {
      const wider = await callTool(client, 'create_auth_token', args as unknown as Record<string, unknown>);
      assert.equal(wider.isError, true);
      assert.equal(wider.data['reason'], reason);
    }
  });

  test(`a client without the right credential is refused before MCP begins: ${name}`, async (t) => {
    const { origin, stack } = await startAuthority(t);
    await assert.rejects(connect(t, origin, 'wrong', mode));
    const plain = await stack.tokens.mint({ ...mintRequest, ttlSeconds: 3600 });
    await assert.rejects(connect(t, origin, plain.token, mode));
  });
}

const initialize = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } },
});

function post(origin: string, headers: Record<string, string>, body = initialize): Promise<Response> {
  return fetch(`${origin}/mcp`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
    body,
  });
}

test('denials are 401 and 403 in the error form, with a challenge that names no OAuth server', async (t) => {
  const { origin, stack } = await startAuthority(t);
  const plain = await stack.tokens.mint({ ...mintRequest, ttlSeconds: 3600 });
  for (const [headers, status, words] of [
    [{}, 401, 'Missing Authorization header'],
    [bearer('wrong'), 401, 'Invalid or expired token'],
    [{ 'x-api-key': 'wrong' }, 401, 'Invalid API key'],
    [bearer(plain.token), 403, 'Insufficient scope'],
  ] as [Record<string, string>, number, string][]) {
    const answer = await post(origin, headers);
    assert.equal(answer.status, status);
    const body = (await answer.json()) as { error: string; authenticated: boolean };
    assert.ok(body.error.startsWith(words), body.error);
    assert.equal(body.authenticated, status === 403);
    const challenge = answer.headers.get('www-authenticate') ?? '';
    assert.match(challenge, /^Bearer realm="countersign"/);
    assert.doesNotMatch(challenge, /resource_metadata/);
  }
  for (const path of [
    'oauth-protected-resource',
    'oauth-protected-resource/mcp',
    'oauth-authorization-server',
    'openid-configuration',
  ])
    assert.equal((await fetch(`${origin}/.well-known/${path}`)).status, 404);
});

test('every message proves itself: nothing is kept of an earlier one', async (t) => {
  const { origin } = await startAuthority(t);
  const first = await post(origin, bearer(adminToken));
  assert.equal(first.status, 200);
  assert.equal(first.headers.get('mcp-session-id'), null);
  assert.match(first.headers.get('cache-control') ?? '', /^no-store/);
  assert.equal(first.headers.get('x-content-type-options'), 'nosniff');
  assert.equal(
    (await post(origin, { 'mcp-session-id': 'any' }, '{"jsonrpc":"2.0","id":2,"method":"tools/list"}')).status,
    401,
  );
});

test('a Host or an Origin that is not ours is refused, whatever the credential', async (t) => {
  const { origin, port } = await startAuthority(t);
  assert.equal((await post(origin, { ...bearer(adminToken), origin: 'http://localhost:6274' })).status, 200);
  for (const from of ['https://evil.example.org', 'http://localhost.evil.example.org', 'null'])
    assert.equal((await post(origin, { ...bearer(adminToken), origin: from })).status, 403, from);
  for (const host of ['evil.example.org', `evil.example.org:${port}`]) {
    const answer = await rawRequest(
      port,
      [
        'POST /mcp HTTP/1.1',
        `Host: ${host}`,
        `Authorization: Bearer ${adminToken}`,
        'Content-Type: application/json',
        `Content-Length: ${initialize.length}`,
      ],
      initialize,
    );
    assert.equal(answer.status, 403, host);
  }
});

test('bodies are bounded, and what is no single message is 400', async (t) => {
  const { origin } = await startAuthority(t);
  for (const [body, status] of [
    ['{', 400],
    ['', 400],
    ['null', 400],
    ['7', 400],
    [`[${initialize}]`, 400],
    ['[]', 400],
    ['['.repeat(1000), 400],
    ['x'.repeat(70_000), 413],
  ] as [string, number][])
    assert.equal((await post(origin, bearer(adminToken), body)).status, status, body.slice(0, 20));
  for (const body of [
    '{}',
    '{"jsonrpc":"2.0"}',
    '{"jsonrpc":"2.0","id":{},"method":7}',
    '{"jsonrpc":"2.0","id":1,"method":"nothing/here"}',
  ]) {
    const answer = await post(origin, bearer(adminToken), body);
    await answer.text();
    assert.ok(answer.status < 500, body);
  }
});
