import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { testIssuer } from '../../test/fixtures/oauth-issuer.ts';
import { protect as protectMcp } from './mcp/index.ts';
import { protect } from './node/index.ts';

const resource = 'https://tools.example.org/mcp';

for (const form of ['node', 'mcp'])
  test(`an adapter takes access tokens, and says where to get them: ${form}`, async (t) => {
    const issuer = await testIssuer(t, resource);
    const warnings: string[] = [];
    const options = {
      warn: (text: string) => void warnings.push(text),
      service: 'tools',
      keys: [],
      accept: ['oauth'],
      issuers: [{ issuer: issuer.issuer }],
      oauth: { resource, scopes: ['tools:use'] },
    } as const;
    const mcp = form === 'mcp' ? await protectMcp(options) : null;
    const node = mcp ? null : await protect(options);
    const server = createServer(async (req, res) => {
      if (mcp) return void mcp(req, res, () => res.end('served'));
      if (await node?.(req, res)) res.end('served');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(async () => {
      server.closeAllConnections();
      server.close();
      await (mcp ?? node)?.close();
    });
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const at = (token: string) => fetch(`${origin}/mcp`, { headers: { authorization: `Bearer ${token}` } });

    const refused = await fetch(`${origin}/mcp`);
    assert.equal(refused.status, 401);
    const challenge = refused.headers.get('www-authenticate') ?? '';
    assert.match(
      challenge,
      /resource_metadata="https:\/\/tools\.example\.org\/\.well-known\/oauth-protected-resource\/mcp"/,
    );
    assert.equal((await at(await issuer.token())).status, 200);
    assert.equal((await at(await issuer.token({ aud: origin }))).status, 401);
    const metadata = await (await fetch(`${origin}/.well-known/oauth-protected-resource/mcp`)).json();
    assert.equal((metadata as { resource: string }).resource, resource);
    // Who takes tokens needs no key.
    assert.deepEqual(warnings, []);
  });
