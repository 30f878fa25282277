import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { describe, it, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import express from 'express';
import { bearer, guards, keyOf, post, start, talkFor, type Host } from './mcp.fixtures.ts';
import { protect, type McpRequest } from './index.ts';

const rules = { tools: { allow: ['whoami'], for: { other: { allow: ['*'] } } } };

for (const [name, guarding] of Object.entries(guards))
  it(`a server shows each caller its tools only, and lets it call no others (${name})`, async (t) => {
    const host = await start(t, guarding, rules);
    const { key } = await keyOf(host);
    const client = new ClientV1({ name: 'test', version: '1.0.0' });
    await client.connect(new TransportV1(host.url, { requestInit: { headers: bearer(key) } }) as Transport);
    t.after(() => client.close());
    assert.deepEqual(
      (await client.listTools()).tools.map((tool) => tool.name),
      ['whoami'],
    );
    const talker = await talkFor(name)(t, host.url, bearer(key));
    assert.equal((await talker.call('whoami')).isError, false);
    await assert.rejects(talker.call('wipe'), /Tool not allowed/);
  });

interface Line {
  readonly reason?: string;
  readonly note?: string;
  readonly route?: string;
  readonly principal?: string;
  readonly request_id?: string;
}

type Handler = (res: ServerResponse, req: McpRequest) => unknown;

/** A handler behind the guard, as a caller with these rules sees it. */
async function behind(t: TestContext, handler: Handler, options: object = {}): Promise<Asking> {
  const lines: Line[] = [];
  const log = (line: string): void => void lines.push(JSON.parse(line) as object);
  const host: Host = await start(
    t,
    async (given) => {
      const guard = await protect(given);
      return { guard, listener: (req, res) => void guard(req, res, () => void handler(res, req)) };
    },
    { ...rules, log, ...options },
  );
  const { key } = await keyOf(host);
  const ask = (more: Record<string, string> = {}) =>
    post(host.url, { ...bearer(key), ...more }, { jsonrpc: '2.0', id: 1, method: 'tools/list' });
  return { ask, lines, url: host.url, key };
}

interface Asking {
  readonly ask: (headers?: Record<string, string>) => Promise<Response>;
  readonly lines: Line[];
  readonly url: URL;
  readonly key: string;
}

const listing = (...names: string[]): string =>
  JSON.stringify({ jsonrpc: '2.0', id: 1, result: { tools: names.map((each) => ({ name: each })) } });
const whole = listing('whoami', 'wipe', 'é');
const shortened = listing('whoami');
const json = { 'content-type': 'application/json' };
const events = { 'content-type': 'text/event-stream' };

describe('an answer with a list is shortened', () => {
  const length = String(Buffer.byteLength(whole));
  const ways: Readonly<Record<string, Handler>> = {
    'at once': (res) => res.writeHead(200, { ...json, 'content-length': length }).end(whole),
    'with a status text': (res) => res.writeHead(200, 'Fine', json).end(whole),
    'with headers in turn': (res) => res.writeHead(200, ['Content-Type', 'application/json', 'ETag', '"1"']).end(whole),
    'with headers in pairs': (res) =>
      res.writeHead(200, [['Content-Type', 'application/json']] as unknown as string[]).end(whole),
    'with headers that stand already': (res) => {
      res.setHeader('Content-Type', 'application/json; charset=utf-8');
      res.setHeader('Content-Length', length);
      res.end(whole, 'utf8', () => undefined);
    },
    'in pieces, cut within a character': async (res) => {
      res.writeHead(200, json).flushHeaders();
      for (const byte of Buffer.from(whole)) await new Promise((resolve) => res.write(Buffer.of(byte), resolve));
      res.end();
    },
    'in pieces as text of another encoding': (res) => {
      res.writeHead(200, json);
      res.write(Buffer.from(whole).toString('base64'), 'base64');
      res.end(() => undefined);
    },
    'and ended twice': (res) => {
      res.writeHead(200, json).end(whole);
      res.end();
    },
    'by a stream': (res) => Readable.from([whole.slice(0, 20), whole.slice(20)]).pipe(res.writeHead(200, json)),
    'by Express': (res, req) => express().use((_req, out) => void out.json(JSON.parse(whole)))(req, res),
  };
  for (const [name, way] of Object.entries(ways))
    it(`written ${name}`, async (t) => {
      const { ask } = await behind(t, way);
      const response = await ask();
      assert.equal(response.status, 200);
      assert.equal(await response.text(), shortened);
      assert.equal(response.headers.get('content-length'), String(shortened.length));
      assert.equal(response.headers.get('etag'), null);
    });

  it('in a stream, event by event', async (t) => {
    const going = Promise.withResolvers<void>();
    const { ask } = await behind(t, async (res) => {
      res.writeHead(200, events);
      res.write(`data: {"method":"a"}\n\nid: 7\ndata: ${whole.slice(0, 30)}`);
      await going.promise;
      res.end(`${whole.slice(30)}\n\ndata: cut o`);
    });
    const reader = ((await ask()).body as ReadableStream<Uint8Array>).getReader();
    // What may go out does not wait for what is still to come.
    assert.equal(String(Buffer.from((await reader.read()).value ?? [])), 'data: {"method":"a"}\n\n');
    going.resolve();
    assert.equal(String(Buffer.from((await reader.read()).value ?? [])), `id: 7\ndata: ${shortened}\n\n`);
    assert.equal((await reader.read()).done, true);
  });

  it('and the handler is not asked to compress it', async (t) => {
    const { ask } = await behind(t, (res, req) => {
      const raw = req.rawHeaders.filter((_, index) => req.rawHeaders[index - 1]?.toLowerCase() === 'accept-encoding');
      res.end(JSON.stringify([req.headers['accept-encoding'], raw]));
    });
    assert.deepEqual(await (await ask({ 'accept-encoding': 'gzip, br' })).json(), ['identity', ['identity']]);
  });
});

describe('an answer that cannot be looked into', () => {
  it('is not let out, and the log says why', async (t) => {
    for (const answer of [
      (res: ServerResponse) =>
        res.writeHead(200, { ...json, 'content-encoding': 'gzip', etag: '"1"' }).end(gzipSync(whole)),
      (res: ServerResponse) => res.writeHead(200, { ...events, 'content-encoding': 'gzip' }).end(gzipSync(whole)),
      (res: ServerResponse) => res.writeHead(200, 'Fine', json).end(`${whole},`),
      (res: ServerResponse) => {
        res.writeHead(200, json).end(`${whole},`);
        res.write('more');
        res.end('of it');
      },
    ]) {
      const { ask, lines } = await behind(t, answer);
      const response = await ask();
      const said = (await response.json()) as Record<string, unknown>;
      assert.deepEqual([response.status, said['reason']], [503, 'unavailable']);
      assert.equal(response.headers.get('content-encoding'), null);
      assert.equal(response.headers.get('etag'), null);
      assert.match(lines.find(({ reason }) => reason === 'unavailable')?.note ?? '', /the lists in the answer/);
      const [decided, refused] = lines.map(({ route, principal, request_id }) => [route, principal, request_id]);
      assert.deepEqual(refused, decided, 'of the request that had been let pass');
    }
  });

  it('is cut off where its head is out', async (t) => {
    const going = Promise.withResolvers<void>();
    const { ask, lines } = await behind(t, async (res) => {
      res.writeHead(200, events);
      res.write('data: {"method":"a"}\n\n');
      await going.promise;
      for (let count = 0; count < 17; count += 1) res.write(`data: ${'a'.repeat(1_048_576)}\n`);
      res.end();
    });
    const response = await ask();
    going.resolve();
    await assert.rejects(response.text(), /terminated/);
    assert.match(lines.find(({ reason }) => reason === 'unavailable')?.note ?? '', /too large to be looked into/);
  });
});

describe('an answer passes as it is', () => {
  const plain: Handler = (res) => {
    res.setHeader('etag', '"1"');
    res.end('plain');
  };

  it('where it holds no messages', async (t) => {
    const response = await (await behind(t, plain)).ask();
    assert.deepEqual([await response.text(), response.headers.get('content-length')], ['plain', '5']);
    assert.equal(response.headers.get('etag'), '"1"');
    const accepted = await (await behind(t, (res) => res.writeHead(202, json).end())).ask();
    assert.deepEqual([accepted.status, await accepted.text()], [202, '']);
    const none = await (await behind(t, (res) => res.writeHead(204).end())).ask();
    assert.deepEqual([none.status, none.headers.get('content-length')], [204, null]);
  });

  it('where nothing is taken out', async (t) => {
    const text = ` ${shortened}\n`;
    const response = await (await behind(t, (res) => res.writeHead(200, json).end(text))).ask();
    assert.equal(await response.text(), text);
  });

  it('in report mode, and compressed as it was asked for', async (t) => {
    const { ask } = await behind(
      t,
      (res, req) => {
        assert.equal(req.headers['accept-encoding'], 'gzip');
        res.writeHead(200, { ...json, 'content-encoding': 'gzip' }).end(gzipSync(whole));
      },
      { mode: 'report' },
    );
    assert.equal(await (await ask({ 'accept-encoding': 'gzip' })).text(), whole);
  });

  it('on a public route, and to HEAD', async (t) => {
    const handler: Handler = (res) => res.writeHead(200, { ...json, 'content-length': length }).end(whole);
    const length = Buffer.byteLength(whole);
    const open = await behind(t, handler, { routes: [{ path: '/mcp', access: 'public' }] });
    assert.equal(await (await open.ask()).text(), whole);
    const { url, key } = await behind(t, handler);
    const head = await fetch(url, { method: 'HEAD', headers: bearer(key) });
    assert.deepEqual([head.status, head.headers.get('content-length')], [200, String(length)]);
  });
});
