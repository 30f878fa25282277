/**
 * The decision corpus: the same requests through every form, which must agree on outcome, reason, caller and, over HTTP, on
 * the bytes of each refusal. The deviations are listed in the corpus itself: forward auth never sees a body and takes no header off.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request as httpRequest, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { getRequestListener } from '@hono/node-server';
import express from 'express';
import fastify from 'fastify';
import { Hono } from 'hono';
import { protect as expressGuard } from '../src/adapters/express/index.ts';
import { protect as fastifyGuard } from '../src/adapters/fastify/index.ts';
import { protect as honoGuard } from '../src/adapters/hono/index.ts';
import { protect as mcpGuard } from '../src/adapters/mcp/index.ts';
import { protect as nodeGuard } from '../src/adapters/node/index.ts';
import { createAuthority } from '../src/authority/authority.ts';
import { loadConfig } from '../src/compose/load/load.ts';
import { createStack, type Stack } from '../src/compose/stack.ts';
import type { AuthRequest } from '../src/core/request.ts';
import type { Store } from '../src/core/store.ts';
import { parseTarget } from '../src/core/target.ts';
import { deny } from '../src/core/verdict.ts';
import { sealWith } from '../src/crypto/seal.ts';
import { createGateway } from '../src/gateway/gateway.ts';
import { frontServer } from '../src/gateway/server.ts';
import { memoryStore } from '../src/stores/memory/store.ts';
import {
  corpus,
  expectedOf,
  sender,
  stackText,
  type CorpusRequest,
  type Expected,
  type Sender,
  type Sent,
} from './fixtures/corpus.ts';
import { adminToken, corpusCredentials, keyFiles, type Credentials } from './fixtures/corpus-credentials.ts';
import { issuersListener } from './fixtures/corpus-tokens.ts';

const masterKey = 'c0'.repeat(32);
const env = { COUNTERSIGN_MASTER_KEY: masterKey };
const seal = sealWith(masterKey);

/** One run of the corpus through one form, from a fresh state. */
interface Run {
  readonly credentials: Credentials;
  readonly sender: Sender;
  /** Decisions as they were logged. */
  readonly lines: LogLine[];
  ask(service: string, request: CorpusRequest): Promise<Answer>;
}

interface LogLine {
  readonly outcome: string;
  readonly reason: string;
  readonly principal: string;
}

interface Answer {
  readonly status: number;
  /** What a refusal says; '' where there is none to read. */
  readonly refusal: string;
}

interface Place {
  readonly t: TestContext;
  readonly file: string;
  readonly store: Store;
  readonly lines: LogLine[];
  readonly log: (line: string) => void;
}

type Form = (place: Place, sender: Sender) => Promise<Run['ask']>;

const forms: Readonly<Record<string, Form>> = {
  'guard.decide': async (place, send) => {
    const stack = await stackAt(place);
    return async (service, request) => {
      const message = await send.send(request, '', 'echo.example');
      const parsed = parseTarget(message.target);
      if (!parsed.ok) {
        const refusal = stack.guard.refusal(deny('bad_request', parsed.note), service);
        place.lines.push({ outcome: 'deny', reason: 'bad_request', principal: '' });
        return { status: refusal.status, refusal: refusalText(refusal.headers, refusal.body) };
      }
      const { verdict, outcome } = await stack.guard.decide(asRequest(message, parsed.path, service));
      if (outcome !== 'deny' || verdict === null || verdict.allowed) return { status: 200, refusal: '' };
      const { status, body, headers } = stack.guard.refusal(verdict, service);
      return { status, refusal: request.method === 'HEAD' ? '' : refusalText(headers, body) };
    };
  },
  gateway: async (place, send) => {
    const stack = await stackAt(place);
    const gateway = createGateway(stack);
    const server = frontServer(
      (req, res) => gateway.handle(req, res),
      (req, socket, head) => gateway.upgrade(req, socket, head),
    );
    const port = await listening(place.t, server, () => gateway.close());
    return async (service, request) => over(port, await send.send(request, `/${service}`, `127.0.0.1:${port}`));
  },
  'forward auth, nginx': forwardAuth((message, host) => ({
    path: '/auth/verify/nginx',
    method: 'GET',
    description: {
      'x-original-method': message.method,
      'x-original-uri': message.target,
      'x-original-host': host,
      'x-original-proto': 'http',
    },
  })),
  'forward auth, ingress-nginx': forwardAuth((message, host) => ({
    path: '/auth/verify/ingress-nginx',
    method: 'GET',
    description: { 'x-original-method': message.method, 'x-original-url': `http://${host}${message.target}` },
  })),
  'forward auth, forward': forwardAuth((message, host) => ({
    path: '/auth/verify/forward',
    method: 'GET',
    description: {
      'x-forwarded-method': message.method,
      'x-forwarded-uri': message.target,
      'x-forwarded-host': host,
      'x-forwarded-proto': 'http',
    },
  })),
  'forward auth, envoy': forwardAuth((message) => ({
    path: `/auth/verify/envoy${message.target}`,
    method: message.method,
    description: {},
  })),
  'adapter node': adapter(async (options) => {
    const guard = await nodeGuard(options);
    return {
      guard,
      listener: (req, res) => {
        void guard(req, res).then((admitted) => admitted && res.end('passed'));
      },
    };
  }),
  'adapter mcp': adapter(async (options) => {
    const guard = await mcpGuard(options);
    return { guard, listener: (req, res) => void guard(req, res, () => void res.end('passed')) };
  }),
  'adapter express': adapter(async (options) => {
    const guard = await expressGuard(options);
    const app = express();
    app.use(guard);
    app.use((_req, res) => void res.end('passed'));
    return { guard, listener: app };
  }),
  'adapter fastify': adapter(async (options) => {
    const guard = await fastifyGuard(options);
    const app = fastify({ frameworkErrors: guard.frameworkErrors });
    await app.register(guard);
    app.all('/*', () => 'passed');
    app.addContentTypeParser('*', (_request, _payload, done) => done(null));
    await app.ready();
    return { guard, listener: app.routing };
  }),
  'adapter hono': adapter(async (options) => {
    const guard = await honoGuard(options);
    const app = new Hono();
    app.use(guard);
    app.all('*', (c) => c.text('passed'));
    const server = guard.createServer({}, getRequestListener(app.fetch));
    return { guard, listener: (req, res) => void server.emit('request', req, res) };
  }),
};

interface Question {
  readonly path: string;
  readonly method: string;
  readonly description: Readonly<Record<string, string>>;
}

/** A proxy that asks in one dialect: it passes the client's lines on, and adds its description of the request. */
function forwardAuth(question: (message: Sent, host: string) => Question): Form {
  return async (place, send) => {
    const stack = await stackAt(place);
    const authority = await createAuthority(stack);
    const server = frontServer(
      (req, res) => authority.handle(req, res),
      (req, socket) => authority.upgrade(req, socket),
    );
    const port = await listening(place.t, server, () => authority.close());
    const host = `127.0.0.1:${port}`;
    return async (service, request) => {
      const message = await send.send(request, `/${service}`, host);
      const { path, method, description } = question(message, host);
      const lines = [...message.lines, ...Object.entries({ 'x-forwarded-for': '127.0.0.1', ...description })];
      return over(port, { method, target: path, lines, body: null });
    };
  };
}

interface AdapterOptions {
  readonly service: string;
  readonly config: string;
  readonly store: Store;
  readonly env: Readonly<Record<string, string>>;
  readonly log: (line: string) => void;
}

/** One server for each service that the corpus asks, all on one store. */
function adapter(
  make: (options: AdapterOptions) => Promise<{ guard: { close(): Promise<void> }; listener: RequestListener }>,
): Form {
  return async ({ t, file, store, log }, send) => {
    const ports = new Map<string, Promise<number>>();
    const start = async (service: string): Promise<number> => {
      const { guard, listener } = await make({ service, config: file, store, env, log });
      return listening(t, createServer(listener), () => guard.close());
    };
    return async (service, request) => {
      let port = ports.get(service);
      if (!port) ports.set(service, (port = start(service)));
      const reached = await port;
      return over(reached, await send.send(request, '', `127.0.0.1:${reached}`));
    };
  };
}

async function stackAt({ t, file, store, log }: Place): Promise<Stack> {
  const stack = await createStack({
    config: loadConfig(file, env),
    env: { ...env, AUTH_ADMIN_TOKEN: adminToken },
    store,
    logLine: log,
    warn: () => undefined,
  });
  t.after(() => stack.close());
  return stack;
}

async function listening(t: TestContext, server: Server, close: () => unknown): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await close();
  });
  return (server.address() as AddressInfo).port;
}

async function over(port: number, { method, target, lines, body }: Sent): Promise<Answer> {
  const names = [...new Set(lines.map(([name]) => name))];
  const headers = names.map((name) => [name, lines.filter((line) => line[0] === name).map((line) => line[1])] as const);
  const request = httpRequest({ host: '127.0.0.1', port, method, path: target, agent: false });
  for (const [name, values] of headers) request.setHeader(name, values.length === 1 ? (values[0] as string) : values);
  if (body !== null) request.setHeader('content-length', Buffer.byteLength(body));
  request.end(body ?? undefined);
  const [response] = (await once(request, 'response')) as [import('node:http').IncomingMessage];
  response.setEncoding('utf8');
  let text = '';
  for await (const piece of response) text += piece;
  const status = response.statusCode ?? 0;
  return { status, refusal: status < 400 || method === 'HEAD' ? '' : refusalText(response.headers, text) };
}

/** What must be the same everywhere; Date and the connection's own fields are each server's. */
function refusalText(headers: Readonly<Record<string, string | readonly string[] | undefined>>, body: string): string {
  const names = ['content-type', 'cache-control', 'www-authenticate', 'accept-signature', 'content-length'];
  return JSON.stringify([...names.map((name) => headers[name] ?? null), body]);
}

function asRequest({ method, target, lines, body }: Sent, path: string, service: string): AuthRequest {
  return {
    method,
    target,
    path,
    service,
    authority: 'echo.example',
    protocol: 'http',
    remoteAddress: '127.0.0.1',
    requestId: 'corpus',
    bodyPresence: body === null || body === '' ? 'none' : 'present',
    fields: (name) => lines.filter(([field]) => field === name).map(([, value]) => value),
    body: () => Promise.resolve(Buffer.from(body ?? '')),
  };
}

async function upstream(t: TestContext): Promise<string> {
  const server = createServer((req, res) => {
    req.resume();
    res.end('passed');
  });
  return `http://127.0.0.1:${await listening(t, server, () => undefined)}`;
}

async function startRun(t: TestContext, form: Form): Promise<Run> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-corpus-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, secret] of Object.entries(keyFiles))
    writeFileSync(join(folder, name), `${secret}\n`, { mode: 0o600 });
  const file = join(folder, 'countersign.yaml');
  const sources = `keys: [{ files: '${folder}/*_api_key' }]\n`;
  const issuers = `http://127.0.0.1:${await listening(t, createServer(issuersListener), () => undefined)}`;
  const text = stackText.replaceAll('UPSTREAM', await upstream(t)).replaceAll('ISSUERS', issuers);
  writeFileSync(file, sources + text);
  const store = memoryStore();
  const credentials = await corpusCredentials(store, seal);
  const lines: LogLine[] = [];
  const log = (line: string): void => {
    const parsed = JSON.parse(line) as LogLine & { event: string };
    if (parsed.event === 'auth.decision') lines.push(parsed);
  };
  const send = sender(credentials);
  return { credentials, sender: send, lines, ask: await form({ t, file, store, lines, log }, send) };
}

function told(expected: Expected, fill: (text: string) => string): Record<string, unknown> {
  const { outcome, status, reason = '', principal } = expected;
  return { outcome, status, reason, ...(principal === undefined ? {} : { principal: fill(principal) }) };
}

/** Refusals as each form wrote them, by request: all forms must have written the same. */
const refusals = new Map<string, Map<string, string[]>>();

test('the corpus is large enough, and every request has a name of its own', () => {
  const names = corpus.flatMap(({ file, requests }) => requests.map(({ name }) => `${file}: ${name}`));
  assert.ok(names.length >= 120, `${names.length} requests`);
  assert.equal(new Set(names).size, names.length);
});

for (const [name, form] of Object.entries(forms)) {
  test(`${name} decides the whole corpus as it is written`, { timeout: 120_000 }, async (t) => {
    const run = await startRun(t, form);
    const wrong: unknown[] = [];
    let count = 0;
    for (const part of corpus) {
      for (const request of part.requests) {
        const place = `${part.file}: ${request.name}`;
        const expected = expectedOf(request, part, name.startsWith('forward auth'));
        const wanted = told(expected, (text) => run.credentials.fill(text));
        run.lines.length = 0;
        const { status, refusal } = await run.ask(part.service, request);
        const { outcome, reason, principal } = run.lines.at(-1) ?? {
          outcome: 'nothing was logged',
          reason: '',
          principal: '',
        };
        const got = { outcome, status, reason, ...('principal' in wanted ? { principal } : {}) };
        if (JSON.stringify(got) !== JSON.stringify(wanted)) wrong.push({ place, wanted, got });
        if (refusal !== '') noteRefusal(`${place}: ${expected.reason}`, refusal, name);
        count += 1;
      }
    }
    assert.deepEqual(wrong, []);
    t.diagnostic(`${count} decisions`);
  });
}

function noteRefusal(place: string, refusal: string, form: string): void {
  const seen = refusals.get(place) ?? new Map<string, string[]>();
  refusals.set(place, seen.set(refusal, [...(seen.get(refusal) ?? []), form]));
}

test('every form wrote each refusal byte for byte alike', () => {
  const differing = [...refusals].filter(([, seen]) => seen.size > 1);
  assert.ok(refusals.size > 100);
  assert.deepEqual(differing, []);
});
