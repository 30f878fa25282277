/** Rules for tools, resources and prompts, with the official servers behind the gateway and the official clients before it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { describe, it, type TestContext } from 'node:test';
import { Client as ClientV2, StreamableHTTPClientTransport as TransportV2 } from '@modelcontextprotocol/client';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { McpServer as McpServerV1 } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { createMcpHandler, McpServer as McpServerV2 } from '@modelcontextprotocol/server';
import { place } from '../../../test/fixtures/mcp-door.ts';
import { mintRequest } from '../../../test/fixtures/mint-request.ts';

const done = { content: [{ type: 'text' as const, text: 'done' }] };
const toolNames = ['read_file', 'search', 'wipe', 'wipe_all'];
const uris = ['file:///public/a', 'file:///secret'];

/** The parts of both majors' servers that are used here. */
interface AnyServer {
  registerTool(name: string, config: object, handler: () => typeof done): unknown;
  registerResource(name: string, uri: string, config: object, read: (uri: URL) => object): unknown;
  registerPrompt(name: string, config: object, handler: () => object): unknown;
}

function filled<S extends AnyServer>(server: S): S {
  for (const name of toolNames) server.registerTool(name, {}, () => done);
  for (const uri of uris)
    server.registerResource(uri, uri, {}, ({ href }) => ({ contents: [{ uri: href, text: 'text' }] }));
  server.registerPrompt('greet', {}, () => ({ messages: [{ role: 'user', content: { type: 'text', text: 'hi' } }] }));
  return server;
}

function v1(json: boolean): RequestListener {
  return (req, res) => void answerV1(req, res, json);
}

async function answerV1(req: IncomingMessage, res: ServerResponse, json: boolean): Promise<void> {
  const server = new McpServerV1({ name: 'test', version: '1.0.0' });
  filled(server as unknown as AnyServer);
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined, enableJsonResponse: json });
  res.on('close', () => void server.close());
  let body = '';
  for await (const piece of req) body += String(piece);
  await server.connect(transport as Transport);
  await transport.handleRequest(req, res, body === '' ? undefined : JSON.parse(body));
}

function v2(): RequestListener {
  const handler = createMcpHandler(() => {
    const server = new McpServerV2({ name: 'test', version: '1.0.0' });
    filled(server as unknown as AnyServer);
    return server;
  });
  const listener = toNodeHandler(handler);
  return (req, res) => void listener(req, res);
}

/** What the tests ask of a client, of either major. */
interface AnyClient {
  listTools(): Promise<{ tools: { name: string }[] }>;
  listResources(): Promise<{ resources: { uri: string }[] }>;
  listPrompts(): Promise<{ prompts: { name: string }[] }>;
  callTool(call: { name: string }): Promise<unknown>;
  readResource(read: { uri: string }): Promise<unknown>;
  close(): Promise<void>;
}

async function talk(t: TestContext, major: string, url: URL, key: string): Promise<AnyClient> {
  const requestInit = { headers: { 'x-api-key': key } };
  if (major === 'v1') {
    const client = new ClientV1({ name: 'test', version: '1.0.0' });
    await client.connect(new TransportV1(url, { requestInit }) as Transport);
    t.after(() => client.close());
    return client as unknown as AnyClient;
  }
  const client = new ClientV2({ name: 'test', version: '1.0.0' }, { versionNegotiation: { mode: 'auto' } });
  await client.connect(new TransportV2(url, { requestInit }));
  t.after(() => client.close());
  return client as unknown as AnyClient;
}

const servers: readonly (readonly [string, () => RequestListener])[] = [
  ['v1 with event streams', () => v1(false)],
  ['v1 with JSON', () => v1(true)],
  ['v2', v2],
];

for (const [name, listener] of servers)
  for (const major of ['v1', 'v2'])
    it(`a ${major} client of a server of ${name} sees and uses what its caller may`, async (t) => {
      const { url, key, webKey } = await place(t, listener());
      const aidb = await talk(t, major, url, key);
      const names = (tools: { name: string }[]): string[] => tools.map((tool) => tool.name).sort();
      assert.deepEqual(names((await aidb.listTools()).tools), ['read_file', 'search']);
      assert.deepEqual(
        (await aidb.listResources()).resources.map(({ uri }) => uri),
        ['file:///public/a'],
      );
      assert.deepEqual((await aidb.listPrompts()).prompts, []);
      assert.deepEqual(
        await aidb.callTool({ name: 'read_file' }).then((result) => (result as typeof done).content),
        done.content,
      );
      await assert.rejects(aidb.callTool({ name: 'wipe' }), /Tool not allowed/);
      await assert.rejects(aidb.readResource({ uri: 'file:///secret' }), /Tool not allowed/);
      await aidb.readResource({ uri: 'file:///public/a' });

      const web = await talk(t, major, url, webKey);
      assert.deepEqual(names((await web.listTools()).tools), ['read_file', 'search']);
      await assert.rejects(web.callTool({ name: 'wipe_all' }), /Tool not allowed/);
    });

describe('a message to an MCP server with rules', () => {
  it('is refused in the words of every form, and reaches nobody', async (t) => {
    const { rpc, bodies } = await place(t, v1(true));
    const refused = await rpc('tools/call', { name: 'wipe' });
    assert.equal(refused.status, 403);
    const said = (await refused.json()) as Record<string, unknown>;
    assert.deepEqual([said['error'], said['reason']], ['Tool not allowed', 'tool_not_allowed']);
    const scoped = await rpc('tools/call', { name: 'search' });
    assert.equal(scoped.status, 403);
    assert.match(scoped.headers.get('www-authenticate') ?? '', /error="insufficient_scope".*scope="files:search"/);
    assert.deepEqual(bodies, []);
  });

  it('is passed on in one spelling, whatever it came in', async (t) => {
    const { post, bodies } = await place(t, v1(true));
    const body = '{ "jsonrpc":"2.0", "id": 1.0, "m\\u0065thod":"tools/call", "params": {"name":"read_file"} }';
    assert.equal((await post(body, { 'content-digest': 'sha-256=:AAAA:' })).status, 200);
    assert.deepEqual(bodies, ['{"jsonrpc":"2.0","id":1.0,"method":"tools/call","params":{"name":"read_file"}}']);
  });

  it('is refused in the words of its protocol where its headers say something else', async (t) => {
    const { post, bodies } = await place(t, v1(true));
    const body = '{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"read_file"}}';
    for (const [name, value] of [
      ['mcp-method', 'tools/list'],
      ['mcp-name', '=?base64?d2lwZQ==?='],
    ] as const) {
      const refused = await post(body, { [name]: value });
      assert.equal(refused.status, 400);
      const { id, error } = (await refused.json()) as { id: unknown; error: { code: unknown } };
      assert.deepEqual([id, error.code], [9, -32020]);
    }
    assert.deepEqual(bodies, []);
  });

  it('cannot hide what is forbidden', async (t) => {
    const { post, url, key, bodies } = await place(t, v1(true));
    const wipe = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"wipe"}}';
    const ping = '{"jsonrpc":"2.0","id":2,"method":"ping"}';
    const attempts: [string, number, Record<string, string>?][] = [
      [`[${ping},${wipe}]`, 403],
      ['{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"wipe","name":"search"}}', 400],
      ['{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"wipe"}}', 400],
      ['{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call","params":{"name":"wipe"}}', 400],
      ['{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"Name":"wipe","name":"read_file"}}', 400],
      ['{"jsonrpc":"2.0","id":1,"method":"Tools/Call","params":{"name":"wipe"}}', 400],
      [`\ufeff${wipe}`, 400],
      [wipe, 403, { 'content-type': 'text/plain' }],
      [wipe, 400, { 'content-type': 'application/json; charset=utf-16' }],
      [wipe, 400, { 'content-encoding': 'gzip' }],
      [`${ping}\n${wipe}`, 400],
      [JSON.stringify({ method: 'tools/call', params: { name: 'wipe\u0000' } }), 403],
    ];
    for (const [body, status, headers] of attempts) {
      const answer = await post(body, headers);
      assert.equal(answer.status, status, body);
      await answer.arrayBuffer();
    }
    // Nor in the body of a request that has none as a rule.
    for (const method of ['GET', 'DELETE']) {
      const call = httpRequest(url, { method, headers: { 'x-api-key': key, 'content-length': wipe.length } });
      call.end(wipe);
      const [answer] = (await once(call, 'response')) as [IncomingMessage];
      assert.equal(answer.statusCode, 403, method);
      answer.resume();
    }
    assert.deepEqual(bodies, []);
  });

  it('goes nowhere when its caller is revoked while it comes in', async (t) => {
    const { stack, url, key, webKey, bodies } = await place(t, v1(true));
    const { token, record } = await stack.tokens.mint(mintRequest);
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'read_file' } });
    const idOf = (of: string): string => of.split('_')[2] ?? '';
    for (const [credential, revoke] of [
      [key, () => stack.store.keys.revoke(idOf(key), stack.clock())],
      [token, () => stack.tokens.revoke(record.tokenId)],
    ] as const) {
      const req = httpRequest(url, {
        method: 'POST',
        headers: { authorization: `Bearer ${credential}`, expect: '100-continue', 'content-length': body.length },
      });
      const answered = once(req, 'response') as Promise<[IncomingMessage]>;
      req.flushHeaders();
      // Said when the caller is proven and the body is awaited.
      await once(req, 'continue');
      await revoke();
      req.end(body);
      const [answer] = await answered;
      answer.resume();
      assert.equal(answer.statusCode, 401);
    }
    assert.deepEqual(bodies, []);
    assert.equal((await fetch(url, { method: 'POST', body, headers: { 'x-api-key': webKey } })).status < 500, true);
  });

  it('cannot be sent within a WebSocket', async (t) => {
    const { url, key } = await place(t, v1(true));
    const call = httpRequest(url, {
      headers: {
        'x-api-key': key,
        connection: 'upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': Buffer.alloc(16).toString('base64'),
      },
    });
    call.end();
    const [answer] = (await once(call, 'response')) as [IncomingMessage];
    assert.equal(answer.statusCode, 403);
    answer.resume();
  });

  it('changes nothing in report mode, and is recorded as it would be judged', async (t) => {
    const { rpc, bodies } = await place(t, v1(true), { mode: 'report' });
    assert.equal((await rpc('tools/call', { name: 'wipe' })).status, 200);
    const { result } = (await (await rpc('tools/list')).json()) as { result: { tools: unknown[] } };
    assert.equal(result.tools.length, toolNames.length);
    assert.equal(bodies.length, 2);
  });
});

describe('the session of an MCP server with rules', () => {
  const opening: RequestListener = (req, res) => {
    const given = req.headers['mcp-session-id'];
    req.resume().on('end', () => res.writeHead(200, { 'mcp-session-id': 'plain-id' }).end(`session ${String(given)}`));
  };
  const ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}';

  it('is that of the caller who opened it, and of nobody else', async (t) => {
    const { post, webKey, url, key } = await place(t, opening);
    const id = (await post(ping)).headers.get('mcp-session-id') ?? '';
    assert.ok(id !== '' && !id.includes('plain-id'));
    const own = await post(ping, { 'mcp-session-id': id });
    assert.equal(await own.text(), 'session plain-id');
    for (const method of ['POST', 'GET', 'DELETE']) {
      const body = method === 'POST' ? { body: ping } : {};
      const theirs = await fetch(url, { method, ...body, headers: { 'x-api-key': webKey, 'mcp-session-id': id } });
      assert.equal(theirs.status, 404, method);
      await theirs.arrayBuffer();
    }
    for (const made of ['plain-id', `${id}x`, `${id}, ${id}`, id.slice(0, -1)])
      assert.equal((await post(ping, { 'mcp-session-id': made })).status, 404, made);
    const stream = await fetch(url, { headers: { 'x-api-key': key, 'mcp-session-id': id } });
    assert.equal(await stream.text(), 'session plain-id');
  });

  it('costs one answer and not the gateway where it cannot be sealed', async (t) => {
    const unavailable = (): never => {
      throw new Error('COUNTERSIGN_MASTER_KEY is not set');
    };
    const { post } = await place(t, opening, { changed: { seal: { seal: unavailable, open: unavailable } } });
    for (let count = 0; count < 2; count += 1) {
      const answer = await post(ping);
      assert.equal(answer.status, 503);
      assert.equal(((await answer.json()) as { reason: string }).reason, 'unavailable');
    }
  });

  it('keeps in report mode the id under which it is known, whoever asks', async (t) => {
    const { post, key, webKey } = await place(t, opening, { mode: 'report' });
    const begun = (await post(ping)).headers.get('mcp-session-id') ?? '';
    assert.ok(begun !== '' && !begun.includes('plain-id'), 'sealed for when it is enforced');
    for (const by of [key, webKey, 'nobody']) {
      for (const [id, own] of [
        [begun, 'plain-id'],
        ['plain-id', 'plain-id'],
        ['any', 'any'],
      ] as const) {
        const answer = await post(ping, { 'mcp-session-id': id, 'x-api-key': by });
        assert.equal(answer.headers.get('mcp-session-id'), own === 'any' ? 'plain-id' : id);
        assert.equal(await answer.text(), `session ${own}`);
      }
    }
    assert.equal((await post(ping, { 'x-api-key': 'nobody' })).headers.get('mcp-session-id'), 'plain-id');
  });

  it('stands in report mode in the query as the caller wrote it', async (t) => {
    const { url, key } = await place(t, (req, res) => res.end(req.url), { mode: 'report' });
    for (const query of ['?sessionId=%zz', '?a=1&session_id=a%2Db+c', '?sessionId']) {
      const call = httpRequest(url, { path: `/files/m${query}`, headers: { 'x-api-key': key } }).end();
      const [answer] = (await once(call, 'response')) as [IncomingMessage];
      assert.equal(answer.statusCode, 200, query);
      assert.equal(Buffer.concat((await answer.toArray()) as Buffer[]).toString(), `/m${query}`);
    }
  });

  it('costs nothing in report mode where it cannot be sealed', async (t) => {
    const asked: string[] = [];
    const unavailable = (what: string): never => {
      asked.push(what);
      throw new Error('COUNTERSIGN_MASTER_KEY is not set');
    };
    const changed = { seal: { seal: unavailable, open: unavailable } };
    const { post } = await place(t, opening, { mode: 'report', changed });
    const answer = await post(ping, { 'mcp-session-id': 'any' });
    assert.equal(await answer.text(), 'session any');
    assert.deepEqual(asked, [], 'the key is not looked for on account of an id that nobody sealed');
    assert.equal((await post(ping)).headers.get('mcp-session-id'), 'plain-id');
  });
});

describe('the answer of an MCP server with rules', () => {
  const listed = (id: number): string =>
    JSON.stringify({
      jsonrpc: '2.0',
      id,
      result: { tools: toolNames.map((name) => ({ name })), cacheScope: 'public' },
    });
  const answering = (type: string, pieces: readonly string[], headers: Record<string, string> = {}): RequestListener =>
    function (req, res) {
      req.resume().on('end', () => void write());
      async function write(): Promise<void> {
        res.writeHead(200, { 'content-type': type, ...headers });
        for (const piece of pieces) {
          res.write(Buffer.from(piece, 'latin1'));
          await new Promise((resolve) => setImmediate(resolve));
        }
        res.end();
      }
    };
  const toolsIn = (text: string): string[] => [...text.matchAll(/"name":"(\w+)"/g)].map(([, name]) => name ?? '');

  it('is looked into however the stream is cut and its lines end', async (t) => {
    for (const end of ['\n', '\r\n', '\r']) {
      const text = `: hello${end}${end}id: 7${end}event: message${end}data: ${listed(1).slice(0, 17)}${end}data:${listed(1).slice(17)}${end}${end}data: last${end}${end}`;
      const { rpc } = await place(t, answering('text/event-stream; charset=utf-8', [...text]));
      const answer = await (await rpc('tools/list')).text();
      assert.deepEqual(toolsIn(answer), ['read_file', 'search'], JSON.stringify(end));
      assert.match(answer, /^: hello/);
      assert.match(answer, /data: last/);
    }
  });

  it('fails the request in place of an event too large to be looked into, and the log says why', async (t) => {
    const text = 'a'.repeat(1024 * 1024);
    const pieces = ['id: 7\ndata: {"result":{"text":"', ...Array.from({ length: 17 }, () => text), '"},"id":1}\n\n'];
    const { rpc, stack } = await place(t, answering('text/event-stream', [...pieces, `data: ${listed(2)}\n\n`]));
    const answer = await (await rpc('tools/call', { name: 'read_file' })).text();
    assert.match(answer, /^id: 7\ndata: \{"jsonrpc":"2.0","id":1,"error":\{"code":-32603,.*too large/);
    assert.deepEqual(toolsIn(answer), ['read_file', 'search']);
    await stack.audit.flush();
    const rows = await stack.store.decisions.list({ after: 0, limit: 10 });
    assert.deepEqual(
      rows.map(({ reason, principal }) => [reason, principal]),
      [
        ['', 'service:aidb'],
        ['upstream_unreachable', 'service:aidb'],
      ],
    );
    assert.match(rows[1]?.note ?? '', /an event too large to be looked into/);
  });

  it('keeps the id and the name of an event, and says that the list is for one caller', async (t) => {
    const { rpc } = await place(t, answering('text/event-stream', [`id: 7\nevent: message\ndata: ${listed(1)}\n\n`]));
    const answer = await (await rpc('tools/list')).text();
    assert.match(answer, /^id: 7\nevent: message\ndata: \{/);
    assert.deepEqual(toolsIn(answer), ['read_file', 'search']);
    assert.match(answer, /"cacheScope":"private"/);
  });

  it('is looked into where a batch of answers comes, and where the stream was asked for with GET', async (t) => {
    const batch = await place(t, answering('application/json', [`[${listed(1)},`, `${listed(2)}]`], { etag: '"a"' }));
    const answer = await batch.rpc('tools/list');
    assert.equal(answer.headers.get('etag'), null);
    assert.deepEqual(toolsIn(await answer.text()), ['read_file', 'search', 'read_file', 'search']);
    const stream = await place(t, answering('text/event-stream', [`data: ${listed(1)}\n\n`]));
    const got = await fetch(stream.url, { headers: { 'x-api-key': stream.key } });
    assert.deepEqual(toolsIn(await got.text()), ['read_file', 'search']);
  });

  it('passes byte for byte where nothing is taken out', async (t) => {
    const text = '{ "jsonrpc":"2.0","id":1, "result": {"n": 12345678901234567890.10, "tools": 7} }';
    const { rpc } = await place(t, answering('application/json', [text]));
    assert.equal(await (await rpc('tools/list')).text(), text);
  });

  it('is not passed on where it cannot be looked into', async (t) => {
    for (const listener of [
      answering('application/json', [listed(1).slice(0, -1)]),
      answering('application/json', [listed(1)], { 'content-encoding': 'gzip' }),
    ]) {
      const { rpc } = await place(t, listener);
      const answer = await rpc('tools/list');
      assert.equal(answer.status, 502);
      assert.deepEqual(toolsIn(await answer.text()), []);
    }
  });

  it('is asked for whole and without compression', async (t) => {
    let asked: IncomingMessage['headers'] = {};
    const { post } = await place(t, (req, res) => {
      asked = req.headers;
      req.resume().on('end', () => res.end());
    });
    await (await post('{"method":"tools/list"}', { range: 'bytes=0-9', 'if-range': '"a"' })).text();
    assert.deepEqual([asked['accept-encoding'], asked['range'], asked['if-range']], ['identity', undefined, undefined]);
  });
});
