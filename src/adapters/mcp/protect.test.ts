import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { createMcpExpressApp as createAppV2 } from '@modelcontextprotocol/express';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import * as errors from '@modelcontextprotocol/sdk/server/auth/errors.js';
import { requireBearerAuth } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js';
import { createMcpExpressApp as createAppV1 } from '@modelcontextprotocol/sdk/server/express.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import express from 'express';
import { sha256Hex } from '../../crypto/digest.ts';
import { hmacSha256 } from '../../crypto/hmac.ts';
import { signHttpRequest } from '../../schemes/http-signature/index.ts';
import { signServiceRequest } from '../../schemes/service-signature/index.ts';
import { createKey } from '../../keys/create.ts';
import { revokeKey } from '../../keys/revoke.ts';
import { memoryStore } from '../../stores/memory/store.ts';
import { mcpGuard, principalSessions, protect, sessionNotFound, tokenVerifier, type McpGuard } from './index.ts';
import {
  bearer,
  guards,
  keyOf,
  post,
  serverV1,
  start,
  talkFor,
  tokenOf,
  type OwnOptions,
  type Seen,
  type Talker,
} from './mcp.fixtures.ts';

const seenBy = async (talker: Talker): Promise<Seen> => JSON.parse((await talker.call('whoami')).text) as Seen;

for (const [name, guarding] of Object.entries(guards)) {
  const talk = talkFor(name);

  describe(`the guard of an MCP endpoint (${name})`, () => {
    it('takes a key as x-api-key', async (t) => {
      const host = await start(t, guarding);
      const { key } = await keyOf(host);
      assert.equal((await seenBy(await talk(t, host.url, { 'x-api-key': key }))).clientId, 'service:agent');
      assert.match(await (await post(host.url, { 'x-api-key': 'nonsense' })).text(), /"Invalid API key"/);
    });

    it('takes a signature, and reports the id of its key as the token', async (t) => {
      const host = await start(t, guarding);
      const { store, seal, clock } = host.stack;
      const wishes = { service: 'agent', kind: 'hs', expiresAt: null, now: clock() } as const;
      const { record, key: secret } = await createKey(store, seal, wishes);
      const call = { serviceId: 'agent', secret, method: 'POST', target: '/mcp', timestamp: clock() };
      const { headers } = signServiceRequest(call);
      const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'whoami', arguments: {} } };
      const response = await post(host.url, headers, message);
      const text = await response.text();
      assert.equal(response.status, 200, text);
      const data = /^data: (\{.*\})$/m.exec(text)?.[1] ?? text;
      const { result } = JSON.parse(data) as { result: { content: [{ text: string }] } };
      const seen = JSON.parse(result.content[0].text) as Seen;
      assert.deepEqual([seen.principal, seen.token], ['service:agent', record.id]);
    });

    it('takes a signature over the body, and leaves the body to the SDK', async (t) => {
      const host = await start(t, guarding);
      const { store, seal, clock } = host.stack;
      const wishes = { service: 'agent', kind: 'hs', expiresAt: null, now: clock() } as const;
      const { record, key: secret } = await createKey(store, seal, wishes);
      const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
      const request = {
        method: 'POST',
        target: '/mcp',
        authority: host.url.host,
        scheme: 'http' as const,
        body: Buffer.from(body),
        created: Math.floor(clock()),
        nonce: randomUUID(),
      };
      const mac = hmacSha256(Buffer.from(secret));
      const signer = { keyid: record.id, sign: (base: string) => mac.bytes(Buffer.from(base)) };
      const { headers } = await signHttpRequest(request, signer);
      const response = await post(host.url, headers, JSON.parse(body) as object);
      assert.match(await response.text(), /"whoami"/);
      assert.equal(response.status, 200);
      const replayed = await post(host.url, headers, JSON.parse(body) as object);
      assert.match(await replayed.text(), /"replayed"/);
    });

    it('refuses a path that its rules name in another case', async (t) => {
      const host = await start(t, guarding, { routes: [{ path: '/mcp', scopes: ['mcp:use'] }] });
      const { key } = await keyOf(host);
      assert.equal((await post(host.url, bearer(key))).status, 403);
      assert.equal((await post(new URL('/MCP', host.url), bearer(key))).status, 400);
    });

    it('lets everyone pass in report mode, and names only who was proven', async (t) => {
      const host = await start(t, guarding, { mode: 'report' });
      const { key } = await keyOf(host);
      assert.equal((await seenBy(await talk(t, host.url, bearer(key)))).clientId, 'service:agent');
      for (const headers of [{}, bearer('nonsense')]) {
        const seen = await seenBy(await talk(t, host.url, headers));
        assert.deepEqual(seen, { principal: null });
      }
    });

    it('says 404 to who looks for an OAuth server, and 401 to the same with a POST to the endpoint', async (t) => {
      const host = await start(t, guarding);
      assert.equal((await post(host.url, {})).status, 401);
      for (const path of [
        '/.well-known/oauth-protected-resource',
        '/.well-known/oauth-protected-resource/mcp',
        '/.well-known/oauth-authorization-server',
        '/mcp/.well-known/openid-configuration',
      ])
        assert.equal((await fetch(new URL(path, host.url))).status, 404, path);
      assert.equal((await post(new URL('/mcp?a=/.well-known/oauth', host.url), {})).status, 401);
    });

    it('checks where a credential is used from', async (t) => {
      const host = await start(t, guarding);
      const { key: elsewhere } = await keyOf(host, { allowedIps: ['192.0.2.0/24'] });
      assert.equal((await post(host.url, bearer(elsewhere))).status, 403);
      const { key: here } = await keyOf(host, { allowedIps: ['127.0.0.0/8'] });
      assert.equal((await seenBy(await talk(t, host.url, bearer(here)))).clientId, 'service:agent');
    });
  });
}

/** The stateful server of the SDK's first major version: a transport per session, bound to who began it. */
async function stateful(t: TestContext, ...guard: readonly express.RequestHandler[]): Promise<URL> {
  const sessions = principalSessions<StreamableHTTPServerTransport>();
  const app = express();
  app.all('/mcp', ...guard, (req, res) => {
    const auth = req.auth;
    const id = req.headers['mcp-session-id'];
    const known = sessions.find(id, auth);
    if (known) return void known.handleRequest(req, res);
    if (id !== undefined) return void res.status(sessionNotFound.status).json(sessionNotFound.body);
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: () => randomUUID(),
      onsessioninitialized: (given) => sessions.keep(given, transport, auth),
      onsessionclosed: (given) => sessions.drop(given),
    });
    void serverV1()
      .connect(transport as Transport)
      .then(() => transport.handleRequest(req, res));
  });
  return served(t, app);
}

async function served(t: TestContext, app: express.Express): Promise<URL> {
  const server = createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => void server.close(resolve));
  });
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`);
}

function optionsFor(t: TestContext) {
  const store = memoryStore();
  t.after(() => store.close());
  const env = { COUNTERSIGN_MASTER_KEY: 'ab'.repeat(32) };
  return { service: 'tools', keys: [], mode: 'enforce' as const, store, env, warn: () => undefined };
}

async function guardFor(t: TestContext, more: OwnOptions = {}): Promise<McpGuard> {
  const guard = await protect({ ...optionsFor(t), ...more });
  t.after(() => guard.close());
  return guard;
}

const asHandlers = (guard: McpGuard) => ({ protection: guard.protection, handlers: [guard] });

async function verifierFor(t: TestContext) {
  const verifier = await tokenVerifier({ ...optionsFor(t), errors });
  t.after(() => verifier.close());
  return { protection: verifier.protection, handlers: [requireBearerAuth({ verifier }), verifier.watch] };
}

describe("the SDKs' own Express applications", () => {
  for (const [name, made] of [
    ['v1', createAppV1],
    ['v2', createAppV2],
  ] as const) {
    it(`can have the guard before them, or behind their body parser where no body is signed (${name})`, async (t) => {
      const guard = await guardFor(t);
      const { protection } = guard;
      const { key } = await keyOf({ url: new URL('http://127.0.0.1'), protection, stack: protection.stack });
      const inner = made();
      inner.post(
        '/mcp',
        (req, res) => void res.json({ who: req.auth?.clientId, method: (req.body as { method: string }).method }),
      );
      const behind = made();
      behind.use(guard).use(inner);
      for (const app of [express().use(guard).use(inner), behind]) {
        const url = await served(t, app);
        assert.equal((await post(url, {})).status, 401);
        const response = await post(url, bearer(key));
        assert.deepEqual(await response.json(), { who: 'service:agent', method: 'initialize' });
      }
    });
  }
});

it('names nobody but whom it has proven, whatever stood on the request', async (t) => {
  const guard = await guardFor(t, { mode: 'report' });
  const app = express().use((req, _res, next) => {
    req.auth = { token: '', clientId: 'operator:root', scopes: ['all'] };
    next();
  });
  app.use(guard, (req, res) => void res.json({ auth: req.auth?.clientId ?? null }));
  const response = await post(await served(t, app), {});
  assert.deepEqual(await response.json(), { auth: null });
});

it('leaves the stream of a revoked key open in report mode', async (t) => {
  const guard = await guardFor(t, { mode: 'report' });
  const { protection } = guard;
  const { stack } = protection;
  const opened = Promise.withResolvers<express.Response>();
  const app = express().use(guard, (req, res) => {
    res.write(`${req.auth?.clientId}, `);
    opened.resolve(res);
  });
  const url = await served(t, app);
  const { id, key } = await keyOf({ url, protection, stack });
  const stream = await post(url, bearer(key));
  const dead = Promise.withResolvers<void>();
  const entry = stack.keyring.apiKey(sha256Hex(key));
  assert.ok(entry);
  // Whoever is to be told of the key's end has been told when this is.
  stack.liveness.track(entry.principal, dead.resolve);
  await revokeKey(stack.store, id, stack.clock());
  await dead.promise;
  (await opened.promise).end('to the end');
  assert.equal(await stream.text(), 'service:agent, to the end');
});

describe('a stateful MCP server', () => {
  async function opened(t: TestContext, verified = false) {
    const { protection, handlers } = verified ? await verifierFor(t) : await guardFor(t).then(asHandlers);
    const url = await stateful(t, ...handlers);
    const host = { url, protection, stack: protection.stack };
    const mine = await keyOf(host);
    const transport = new TransportV1(url, { requestInit: { headers: bearer(mine.key) } });
    const client = new ClientV1({ name: 'test', version: '1.0.0' });
    await client.connect(transport as Transport);
    t.after(() => client.close());
    return { host, mine, client, sessionId: transport.sessionId as string };
  }

  const ping = { jsonrpc: '2.0', id: 7, method: 'ping' };

  it('gives a session to who began it, with any of its credentials, and 404 to everyone else', async (t) => {
    const { host, mine, client, sessionId } = await opened(t);
    await client.ping();
    const session = { 'mcp-session-id': sessionId };
    assert.equal((await post(host.url, { ...bearer(mine.key), ...session }, ping)).status, 200);
    const renewed = await keyOf(host);
    assert.equal((await post(host.url, { ...bearer(renewed.key), ...session }, ping)).status, 200);
    const other = await tokenOf(host);
    const strange = await post(host.url, { ...bearer(other.token), ...session }, ping);
    const unknown = await post(host.url, { ...bearer(mine.key), 'mcp-session-id': randomUUID() }, ping);
    assert.deepEqual([strange.status, unknown.status], [404, 404]);
    assert.equal(await strange.text(), await unknown.text());
    assert.equal((await post(host.url, session, ping)).status, 401);
  });

  for (const [how, verified] of [
    ['protect', false],
    ['requireBearerAuth and watch', true],
  ] as const) {
    it(
      `closes the open stream of a revoked key, and refuses what comes after (${how})`,
      { timeout: 30_000 },
      async (t) => {
        const { host, mine } = await opened(t, verified);
        const { store, clock } = host.stack;
        // The client holds the one stream that its session may have, so this is a session of its own.
        const begun = await post(host.url, bearer(mine.key));
        const session = { ...bearer(mine.key), 'mcp-session-id': begun.headers.get('mcp-session-id') ?? '' };
        const stream = await fetch(host.url, { headers: { ...session, accept: 'text/event-stream' } });
        assert.equal(stream.status, 200);
        const ended = assert.rejects(stream.text(), /terminated/);
        await revokeKey(store, mine.id, clock());
        await ended;
        assert.equal((await post(host.url, session, ping)).status, 401);
      },
    );
  }

  it('can share one protection with others', async (t) => {
    const guard = await guardFor(t);
    const url = await stateful(t, mcpGuard(guard.protection));
    const { key } = await keyOf({ url, protection: guard.protection, stack: guard.protection.stack });
    assert.equal((await post(url, bearer(key))).status, 200);
  });
});
