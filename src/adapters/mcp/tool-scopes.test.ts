import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Client as ClientV2, InMemoryTransport as MemoryV2 } from '@modelcontextprotocol/client';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { InMemoryTransport as MemoryV1 } from '@modelcontextprotocol/sdk/inMemory.js';
import { McpServer as McpServerV1 } from '@modelcontextprotocol/sdk/server/mcp.js';
import {
  createMcpHandler,
  McpServer as McpServerV2,
  requireScopes as scopeChallenge,
} from '@modelcontextprotocol/server';
import { authInfoOf, requireScopes, ScopeError, toolScopes } from './index.ts';

const agent = (...scopes: string[]) =>
  authInfoOf(
    { id: 'service:agent', scheme: 'api-key', credentialId: 'abc', scopes, expiresAt: null, addresses: null },
    { now: 0 },
  );

describe('scopes by tool', () => {
  it('are all asked for, and exactly', () => {
    requireScopes(agent('a', 'b', 'c'), ['a', 'b']);
    for (const held of [[], ['a'], ['a', 'bb'], ['a b'], ['*']])
      assert.throws(() => requireScopes(agent(...held), ['a', 'b']), ScopeError);
  });

  it('are had by nobody where nobody was proven', () => {
    assert.throws(() => requireScopes(undefined, ['a'], 'the tool wipe'), {
      code: -32003,
      message: 'the tool wipe needs the scope a, and this caller was not proven',
    });
  });

  it('are misused aloud', () => {
    assert.throws(() => requireScopes(agent('a'), []), TypeError);
    const scopes: { guard(tool: string, handler: () => string): unknown } = toolScopes({ read: ['a'] });
    assert.throws(() => scopes.guard('write', () => ''), /nothing is said of the tool "write"/);
    assert.throws(() => scopes.guard('toString', () => ''), TypeError);
  });

  it('run the handler with what it was given, of either version', async () => {
    const scopes = toolScopes({ read: ['a'], list: [] });
    const read = scopes.guard('read', (args: { x: number }, _context: object) => args.x + 1);
    assert.equal(await read({ x: 1 }, { authInfo: agent('a') }), 2);
    assert.equal(await read({ x: 1 }, { http: { authInfo: agent('a') } }), 2);
    const refused = await read({ x: 1 }, { authInfo: agent('b') });
    assert.ok(typeof refused === 'object' && refused.isError);
    // A tool's arguments are the caller's: they never count as its AuthInfo.
    const forged = scopes.guard('read', (_args: object, _context: object) => 0);
    assert.ok(typeof (await forged({ authInfo: agent('a') }, {})) === 'object');
    assert.equal(await scopes.guard('list', (_context: object) => 'all')({}), 'all');
  });

  it("leave a handler's own error to the SDK", async () => {
    const fails = toolScopes({ read: [] }).guard('read', () =>
      Promise.reject(new ScopeError('insufficient_scope', 'x', [])),
    );
    await assert.rejects(fails(), ScopeError);
  });

  it('are a JSON-RPC error outside of tools, in both versions', async (t) => {
    const read = (uri: URL): { contents: { uri: string; text: string }[] } => {
      requireScopes(undefined, ['a'], 'the resource');
      return { contents: [{ uri: uri.href, text: '' }] };
    };
    const expected = { code: -32003, data: { reason: 'missing_credentials', required_scopes: ['a'] } };
    const check = (error: unknown) => {
      const { code, data } = error as ScopeError;
      assert.equal(code, expected.code);
      assert.deepEqual({ reason: data.reason, required_scopes: data.required_scopes }, expected.data);
      return true;
    };
    const first = new McpServerV1({ name: 'test', version: '1.0.0' });
    first.registerResource('r', 'test://r', {}, read);
    const clientV1 = new ClientV1({ name: 'test', version: '1.0.0' });
    const [a, b] = MemoryV1.createLinkedPair();
    await Promise.all([first.connect(a), clientV1.connect(b)]);
    t.after(() => clientV1.close());
    await assert.rejects(clientV1.readResource({ uri: 'test://r' }), check);

    const second = new McpServerV2({ name: 'test', version: '1.0.0' });
    second.registerResource('r', 'test://r', {}, read);
    const clientV2 = new ClientV2({ name: 'test', version: '1.0.0' });
    const [c, d] = MemoryV2.createLinkedPair();
    await Promise.all([second.connect(c), clientV2.connect(d)]);
    t.after(() => clientV2.close());
    await assert.rejects(clientV2.readResource({ uri: 'test://r' }), check);
  });

  it("suit the second version's own way of asking, too", async () => {
    const handler = createMcpHandler(() => {
      const server = new McpServerV2({ name: 'test', version: '1.0.0' });
      server.registerTool('wipe', { scopeChallenge: scopeChallenge('tools:write') }, () => ({
        content: [{ type: 'text', text: 'done' }],
      }));
      return server;
    });
    const call = (scopes: string[]) =>
      handler.fetch(
        new Request('http://127.0.0.1/mcp', {
          method: 'POST',
          headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
          body: JSON.stringify({
            jsonrpc: '2.0',
            id: 1,
            method: 'tools/call',
            params: { name: 'wipe', arguments: {} },
          }),
        }),
        { authInfo: agent(...scopes) },
      );
    const refused = await call(['tools:read']);
    assert.equal(refused.status, 403);
    assert.match(refused.headers.get('www-authenticate') ?? '', /scope="tools:write"/);
    assert.equal((await call(['tools:write'])).status, 200);
    await handler.close();
  });
});
