/** Sessions and streams of revisions before 2026-07-28, of a server without rules: official server and client. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { describe, it, type TestContext } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { place, type Place } from '../../../test/fixtures/mcp-door.ts';

const words = '\n    protocol: mcp\n';

function filled(): McpServer {
  const server = new McpServer({ name: 'test', version: '1.0.0' });
  for (const name of ['search', 'wipe'])
    server.registerTool(name, {}, () => ({ content: [{ type: 'text' as const, text: name }] }));
  return server;
}

/** The transport of 2024-11-05. */
function oldServer(): RequestListener {
  const transports = new Map<string, SSEServerTransport>();
  return (req, res) => void answer(req, res);

  async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const url = new URL(req.url ?? '', 'http://localhost');
    if (req.method === 'GET') {
      const transport = new SSEServerTransport('/messages', res);
      transports.set(transport.sessionId, transport);
      await filled().connect(transport as Transport);
      return;
    }
    const transport = transports.get(url.searchParams.get('sessionId') ?? '');
    if (transport) await transport.handlePostMessage(req, res);
    else res.writeHead(400).end();
  }
}

/** Streamable HTTP with sessions; what each request brought of them is kept. */
function sessionServer(seen: { method?: string | undefined; session: unknown; last: unknown }[]): RequestListener {
  const transports = new Map<string, StreamableHTTPServerTransport>();
  return (req, res) => void answer(req, res);

  async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const { 'mcp-session-id': session, 'last-event-id': last } = req.headers;
    seen.push({ method: req.method, session, last });
    let body = '';
    for await (const piece of req) body += String(piece);
    let transport = transports.get(String(session));
    if (!transport) {
      const opened = new StreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        onsessioninitialized: (id) => void transports.set(id, opened),
        onsessionclosed: (id) => void transports.delete(id),
      });
      transport = opened;
      await filled().connect(transport as Transport);
    }
    await transport.handleRequest(req, res, body === '' ? undefined : JSON.parse(body));
  }
}

async function connected(t: TestContext, transport: object): Promise<Client> {
  const client = new Client({ name: 'test', version: '1.0.0' });
  await client.connect(transport as Transport);
  t.after(() => client.close());
  return client;
}

function sse({ url, key }: Place): SSEClientTransport {
  return new SSEClientTransport(new URL('/files/sse', url), { requestInit: { headers: { 'x-api-key': key } } });
}

describe('the transport of 2024-11-05', () => {
  for (const [name, more, tools] of [
    ['without rules', words, ['search', 'wipe']],
    ['with rules', '\n    tools: { deny: [wipe] }\n', ['search']],
  ] as const)
    it(`works ${name} for the official client`, async (t) => {
      const there = await place(t, oldServer(), { words: more });
      const client = await connected(t, sse(there));
      assert.deepEqual(
        (await client.listTools()).tools.map((tool) => tool.name),
        tools,
      );
      const { content } = await client.callTool({ name: 'search' });
      assert.deepEqual(content, [{ type: 'text', text: 'search' }]);
    });

  it('takes messages of the caller who opened the stream, and of nobody else', async (t) => {
    const { url, key, webKey, bodies } = await place(t, oldServer(), { words });
    const stream = await fetch(new URL('/files/sse', url), { headers: { 'x-api-key': key } });
    const reader = stream.body?.pipeThrough(new TextDecoderStream()).getReader();
    t.after(() => reader?.cancel());
    const { value = '' } = (await reader?.read()) ?? {};
    const endpoint = /^data: (.*)$/m.exec(value)?.[1] ?? '';
    assert.match(endpoint, /^\/files\/messages\?sessionId=./);
    const post = async (to: string, by: string): Promise<number> => {
      const init = { method: 'POST', body: '{"jsonrpc":"2.0","id":1,"method":"ping"}' };
      const headers = { 'x-api-key': by, 'content-type': 'application/json' };
      const answer = await fetch(new URL(to, url), { ...init, headers });
      await answer.arrayBuffer();
      return answer.status;
    };
    const before = bodies.length;
    for (const [to, by] of [
      [endpoint, webKey],
      [`/files/messages?sessionId=${randomUUID()}`, key],
      [`${endpoint}&sessionId=${randomUUID()}`, key],
      [endpoint.replace(/sessionId=.*/, `session%49d=${randomUUID()}`), key],
      ['/files/messages?session_id=', key],
    ] as const)
      assert.equal(await post(to, by), 404, to);
    assert.equal(bodies.length, before);
    assert.equal(await post(endpoint, key), 202);
  });

  it('never sends a caller and its key elsewhere', async (t) => {
    const evil: RequestListener = (_, res) =>
      res.writeHead(200, { 'content-type': 'text/event-stream' }).end('event: endpoint\ndata: //evil.test/m\n\n');
    const { url, key } = await place(t, evil, { words });
    const answer = await fetch(new URL('/files/sse', url), { headers: { 'x-api-key': key } }).catch(() => null);
    const text = (await answer?.text().catch(() => '')) ?? '';
    assert.ok(!text.includes('evil.test'), text);
  });
});

describe('a session of a server without rules', () => {
  it('carries calls, its stream and its end, for the caller who opened it and for nobody else', async (t) => {
    const seen: Parameters<typeof sessionServer>[0] = [];
    const { url, key, webKey } = await place(t, sessionServer(seen), { words });
    const requestInit = { headers: { 'x-api-key': key } };
    const transport = new StreamableHTTPClientTransport(url, { requestInit });
    const client = await connected(t, transport);
    assert.equal((await client.listTools()).tools.length, 2);
    const id = transport.sessionId ?? '';
    assert.ok(id.length > 0 && seen.every(({ session }) => session !== id), 'sealed for the caller');

    const ask = (method: string, by: string): Promise<Response> =>
      fetch(url, {
        method,
        headers: { 'x-api-key': by, 'mcp-session-id': id, accept: 'text/event-stream', 'last-event-id': 'e7' },
      });
    const before = seen.length;
    for (const method of ['GET', 'DELETE', 'POST']) assert.equal((await ask(method, webKey)).status, 404, method);
    assert.equal(seen.length, before);

    await (await ask('GET', key)).body?.cancel();
    assert.equal(seen.find(({ last }) => last === 'e7')?.method, 'GET');
    await transport.terminateSession();
    const ended = seen.at(-1);
    assert.equal(ended?.method, 'DELETE');
    assert.ok(typeof ended.session === 'string' && ended.session !== id);
  });

  it('goes on when its service goes back to report, also with what would be refused', async (t) => {
    const { url, key, webKey, stack } = await place(t, sessionServer([]), {
      words: `${words}    tools: { deny: [wipe] }\n`,
    });
    const transport = new StreamableHTTPClientTransport(url, { requestInit: { headers: { 'x-api-key': key } } });
    const client = await connected(t, transport);
    const id = transport.sessionId ?? '';
    assert.equal((await client.listTools()).tools.length, 1);
    await stack.modes.set('files', 'report', 'operator:test');
    assert.equal((await client.listTools()).tools.length, 2);
    assert.deepEqual((await client.callTool({ name: 'wipe' })).content, [{ type: 'text', text: 'wipe' }]);
    const another = await fetch(url, { method: 'DELETE', headers: { 'x-api-key': webKey, 'mcp-session-id': id } });
    assert.equal(another.status, 200, 'nothing is refused');
  });

  it('begun in report mode by a proven caller goes on under enforcement, as that caller’s alone', async (t) => {
    const { url, key, webKey, stack } = await place(t, sessionServer([]), { words, mode: 'report' });
    const transport = new StreamableHTTPClientTransport(url, { requestInit: { headers: { 'x-api-key': key } } });
    const client = await connected(t, transport);
    const headers = { accept: 'text/event-stream', 'mcp-session-id': transport.sessionId ?? '' };
    const statusFor = async (more: Record<string, string>): Promise<number> => {
      const answer = await fetch(url, { headers: { ...headers, ...more } });
      await answer.body?.cancel();
      return answer.status;
    };
    for (const mode of ['report', 'enforce', 'off', 'enforce', 'report'] as const) {
      await stack.modes.set('files', mode, 'operator:test');
      assert.equal((await client.listTools()).tools.length, 2, mode);
      if (mode === 'enforce') assert.equal(await statusFor({ 'x-api-key': webKey }), 404);
    }
    // One stream is open already, of which the server has one only.
    assert.equal(await statusFor({}), 409, 'whose key has ended, in report mode');
    assert.equal(await statusFor({ 'x-api-key': webKey }), 409);
  });

  it('is not looked after in report mode for a caller of whom nothing is proven', async (t) => {
    const { url } = await place(t, sessionServer([]), { words, mode: 'report' });
    const transport = new StreamableHTTPClientTransport(url);
    const client = await connected(t, transport);
    assert.equal((await client.listTools()).tools.length, 2);
    assert.match(transport.sessionId ?? '', /^[0-9a-f-]{36}$/);
  });
});
