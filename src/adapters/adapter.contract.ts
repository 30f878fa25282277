/**
 * What every adapter does, on real servers of its framework: it passes on what may pass, refuses with exactly the bytes of
 * guard.refusal, and leaves the body to the handler.
 */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { request, type IncomingMessage, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test, type TestContext } from 'node:test';
import {
  protection,
  type OwnService,
  type Protection,
  type ProtectionSettings,
  type RouteOption,
} from '../compose/protection/protection.ts';
import type { Decision } from '../core/decision.ts';
import type { Mode } from '../core/mode.ts';
import { addressList } from '../core/address.ts';
import { deny, type Denied } from '../core/verdict.ts';
import { hmacSha256 } from '../crypto/hmac.ts';
import { signHttpRequest } from '../schemes/http-signature/index.ts';
import { signServiceRequest } from '../schemes/service-signature/index.ts';
import { continueWhenRead } from './node/continue-when-read.ts';
import { connection, exchange, type Answer } from '../../test/fixtures/raw-http.ts';
import { streamsContract } from './streams.contract.ts';

/** What GET /stream answers with: a line at once, and then one every 20 ms. */
export async function* endless(): AsyncGenerator<string> {
  for (;;) {
    yield 'open\n';
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A server of the framework whose every request goes through the adapter. */
export interface Served {
  readonly server: Server;
  readonly port: number;
  close(): Promise<void>;
}

export function servedBy(server: Server): Served {
  return {
    server,
    port: (server.address() as AddressInfo).port,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/**
 * Serves, behind the adapter: POST /json, parsed by the framework's own JSON parser, answers { principal, value }; /boom
 * throws; GET /missing is not routed; GET /stream sends the line 'open' every 20 ms until somebody ends it; everything else
 * answers { principal, identity, length, sha256 }: the id of the principal or null, every X-Auth-* header that the handler
 * sees, and the body's length and hash.
 */
export type Serve = (protection: Protection) => Promise<Served>;

export interface Echo {
  readonly principal: string | null;
  readonly identity: readonly string[];
  readonly length: number;
  readonly sha256: string;
}

const key = '0123456789abcdef'.repeat(4);
const secret = 'fedcba9876543210'.repeat(4);
const routes: readonly RouteOption[] = [
  { path: '/health', access: 'public' },
  { path: '/embed', methods: ['POST'], callers: ['aidb'] },
  { path: '/scoped', scopes: ['embed:write'] },
  { path: '/internal/*', access: 'service' },
  { path: '/limited', rateLimit: { limit: 1, per: '60s' } },
  { path: '/reported', mode: 'report' },
  { path: '/reported/own', callers: ['web'], mode: 'report' },
  { path: '/open', mode: 'off' },
];

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function adapterContract(name: string, serve: Serve): void {
  describe(name, () => {
    const decisions: Decision[] = [];
    let folder: string;
    let shared: Protection;
    let served: Served;

    before(async () => {
      folder = mkdtempSync(join(tmpdir(), 'countersign-adapter-'));
      writeFileSync(join(folder, 'embeddings_api_key'), key, { mode: 0o600 });
      writeFileSync(join(folder, 'aidb.env'), `SERVICE_ID=aidb\nSERVICE_KEY=${secret}\n`, { mode: 0o600 });
      shared = await protectionOf({ routes });
      served = await serve(shared);
    });
    after(async () => {
      await served.close();
      await shared.close();
      rmSync(folder, { recursive: true });
    });

    function protectionOf(more: Partial<OwnService & ProtectionSettings>): Promise<Protection> {
      return protection({
        service: 'embeddings',
        keys: [{ files: join(folder, '*_api_key') }, { envFiles: join(folder, '*.env') }],
        env: {},
        onDecision: (decision) => void decisions.push(decision),
        ...more,
      });
    }

    async function serving(t: TestContext, given: Protection): Promise<Served> {
      const other = await serve(given);
      t.after(async () => {
        await other.close();
        await given.close();
      });
      return other;
    }

    function lastDenied(): Denied {
      const verdict = decisions.at(-1)?.verdict;
      assert.ok(verdict && !verdict.allowed, 'the last decision is no denial');
      return verdict;
    }

    const get = (target: string, lines: readonly string[] = []): Promise<Answer> =>
      exchange(served.port, { target, lines });
    const apiKey = [`x-api-key: ${key}`];
    const signedLines = (method: string, target: string, given = secret, ago = 0): string[] =>
      linesOf(
        signServiceRequest({
          serviceId: 'aidb',
          secret: given,
          method,
          target,
          timestamp: Date.now() / 1000 - ago,
        }).headers,
      );

    const refusals: readonly [what: string, reason: string, target: string, lines: () => readonly string[], string?][] =
      [
        ['no credential', 'missing_credentials', '/x', () => []],
        ['no credential, HEAD', 'missing_credentials', '/x', () => [], 'HEAD'],
        ['no credential, at a path that is not routed', 'missing_credentials', '/missing', () => []],
        ['another scheme', 'malformed_credentials', '/x', () => ['authorization: Basic YTpi']],
        [
          'two Authorization lines',
          'malformed_credentials',
          '/x',
          () => [`authorization: Bearer ${key}`, 'Authorization: Bearer b'],
        ],
        ['two x-api-key lines', 'malformed_credentials', '/x', () => [...apiKey, ...apiKey]],
        ['an unknown Bearer', 'invalid_credentials', '/x', () => ['authorization: Bearer unknown']],
        ['an unknown x-api-key', 'invalid_credentials', '/x', () => ['x-api-key: unknown']],
        ['a wrong signature', 'invalid_signature', '/x', () => signedLines('GET', '/x', key)],
        ['a signature over another path', 'invalid_signature', '/x', () => signedLines('GET', '/y')],
        ['an old signature', 'timestamp_outside_window', '/x', () => signedLines('GET', '/x', secret, 3600)],
        ['a caller who is not named', 'not_allowed', '/embed', () => apiKey, 'POST'],
        ['a method without a rule', 'not_allowed', '/embed', () => signedLines('GET', '/embed')],
        ['a key that many hold, where a service is asked for', 'not_allowed', '/embed', () => apiKey, 'POST'],
        ['a scope that is missing', 'insufficient_scope', '/scoped', () => apiKey],
        ['a rule in another spelling', 'insufficient_scope', '/%73coped', () => apiKey],
      ];
    for (const [what, reason, target, lines, method] of refusals) {
      test(`refuses byte for byte as the guard says: ${what}`, async () => {
        const answer = await exchange(served.port, { target, lines: lines(), ...(method && { method }) });
        const denied = lastDenied();
        assert.equal(denied.reason, reason);
        refusedAs(answer, shared, denied, method === 'HEAD');
      });
    }

    test('refuses byte for byte as the guard says: too many', async () => {
      assert.equal((await get('/limited', apiKey)).status, 200);
      const answer = await get('/limited', apiKey);
      assert.equal(answer.status, 429);
      refusedAs(answer, shared, lastDenied());
    });

    test('says that there is nothing to whoever asks how to log in, who would forget a key for being told to', async () => {
      for (const target of ['/.well-known/oauth-protected-resource/x', '/x/.well-known/openid-configuration'])
        for (const lines of [[], ['authorization: Bearer unknown']]) {
          const { status, headers, body } = await get(target, lines);
          assert.equal(status, 404, target);
          assert.equal(new Map(headers).get('www-authenticate'), undefined);
          assert.equal(JSON.parse(body).reason, 'not_found');
          assert.equal(lastDenied().reason, lines.length === 0 ? 'missing_credentials' : 'invalid_credentials');
        }
    });

    for (const target of [
      '/a/../b',
      '//x',
      '/a%2fb',
      '/a;b',
      '/a\\b',
      '/%zz',
      '/a%252fb',
      '/%c3',
      'http://127.0.0.1/x',
    ]) {
      test(`refuses a path that can be read in two ways: ${target}`, async () => {
        const answer = await get(target, apiKey);
        assert.equal(answer.status, 400);
        refusedAs(answer, shared, deny('bad_request', ''));
      });
    }

    test('refuses two Host lines and a TRACE', async () => {
      refusedAs(await get('/x', ['host: elsewhere', ...apiKey]), shared, deny('bad_request', ''));
      refusedAs(
        await exchange(served.port, { method: 'TRACE', target: '/x', lines: apiKey }),
        shared,
        deny('bad_request', ''),
      );
    });

    test('passes a caller on, with its principal on the request', async () => {
      assert.equal(echo(await get('/x', apiKey)).principal, 'holder:embeddings');
      assert.equal(echo(await get('/x', [`authorization: Bearer ${key}`])).principal, 'holder:embeddings');
      assert.equal(echo(await get('/x?a=b', signedLines('GET', '/x?a=b'))).principal, 'service:aidb');
      assert.equal(echo(await get('/internal/a/b', signedLines('GET', '/internal/a/b'))).principal, 'service:aidb');
      const post = { method: 'POST', target: '/embed', lines: signedLines('POST', '/embed') };
      assert.equal(echo(await exchange(served.port, post)).principal, 'service:aidb');
      assert.equal((await exchange(served.port, { method: 'HEAD', target: '/x', lines: apiKey })).status, 200);
      assert.equal((await get('/missing', apiKey)).status, 404);
    });

    test('asks nobody on a public route, and names nobody', async () => {
      assert.equal(echo(await get('/health')).principal, null);
      assert.equal(echo(await get('/health?a', ['x-api-key: unknown'])).principal, null);
      assert.equal(decisions.at(-1)?.outcome, 'public');
    });

    test('passes what it would refuse in report mode, and everything in mode off', async () => {
      assert.equal(echo(await get('/reported', ['x-api-key: unknown'])).principal, null);
      assert.equal(decisions.at(-1)?.outcome, 'would_deny');
      assert.equal(echo(await get('/reported', apiKey)).principal, 'holder:embeddings');
      const own = echo(await get('/reported/own', signedLines('GET', '/reported/own')));
      assert.equal(lastDenied().caller?.id, 'service:aidb');
      assert.equal(own.principal, null, 'whoever would be refused is nobody here, proven or not');
      assert.equal(echo(await get('/open', apiKey)).principal, null);
    });

    test('never shows the handler an identity that the client made up', async () => {
      const claims = ['X-Auth-Principal: service:root', 'x_auth_request_user: root', 'X-Auth-Mode: off'];
      for (const target of ['/x', '/health', '/reported', '/open']) {
        const { identity } = echo(await get(target, [...claims, ...apiKey]));
        assert.deepEqual(identity, [], target);
      }
    });

    test("leaves a handler's error to the framework", async () => {
      assert.equal((await get('/boom', apiKey)).status, 500);
      assert.equal((await get('/x', apiKey)).status, 200);
    });

    test('passes an unsigned body on as it comes', async () => {
      const body = randomBytes(5_242_880);
      const lines = [...apiKey, 'content-type: application/octet-stream'];
      const answer = await exchange(served.port, { method: 'POST', target: '/x', lines, body: [body] });
      assert.equal(echo(answer).sha256, sha256(body));
      const chunked = {
        method: 'POST',
        target: '/x',
        lines,
        body: [Buffer.from('a'), Buffer.from('bc')],
        chunked: true,
      };
      assert.equal(echo(await exchange(served.port, chunked)).length, 3);
    });

    test('ignores an offer to upgrade, as the gateway does', async () => {
      const offer = ['connection: upgrade', 'upgrade: websocket', 'content-type: application/octet-stream'];
      const asked = { method: 'POST', target: '/x', body: [Buffer.from('hello')] };
      assert.equal((await exchange(served.port, { ...asked, lines: offer })).status, 401);
      const answer = await exchange(served.port, { ...asked, lines: [...offer, ...apiKey] });
      assert.deepEqual([echo(answer).principal, echo(answer).length], ['holder:embeddings', 5]);
    });

    test('serves the next request on a connection whose upload it refused', async () => {
      const wire = connection(served.port);
      const refused = await wire.send({
        method: 'POST',
        target: '/x',
        lines: [],
        body: [randomBytes(300_000)],
        keep: true,
      });
      assert.equal(refused.status, 401);
      const next = await wire.send({ method: 'GET', target: '/x', lines: apiKey });
      assert.equal(next.status, 200);
    });

    test('lets go of a connection on which a refused upload goes on and on', async () => {
      // Far more than is read after a refusal (64 MiB, or what comes in half a second, by @hono/node-server).
      const length = 2 ** 32;
      const socket = connect(served.port, '127.0.0.1').on('error', () => undefined);
      socket.resume().write(`POST /x HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: ${length}\r\n\r\n`);
      const piece = Buffer.alloc(65_536);
      for (let sent = 0; sent < length && !socket.destroyed; sent += piece.length)
        await new Promise((resolve) => socket.write(piece, () => setImmediate(resolve)));
      const isGone = socket.destroyed;
      socket.destroy();
      assert.ok(isGone);
      assert.equal(lastDenied().reason, 'missing_credentials');
    });

    test('records what it cannot read as that of the client behind a trusted proxy', async (t) => {
      const told: string[] = [];
      const given = await protectionOf({ log: (line) => void told.push(line) });
      const behind = { ...given, trustedProxies: addressList(['127.0.0.1/32']) };
      const { port } = await serving(t, behind);
      const lines = ['x-forwarded-for: 198.51.100.7', 'x-request-id: trace-1'];
      assert.equal((await exchange(port, { target: '/a//b', lines })).status, 400);
      const { client_address, request_id } = JSON.parse(told[0] ?? '{}') as Record<string, unknown>;
      assert.deepEqual([client_address, request_id], ['198.51.100.7', 'trace-1']);
    });

    streamsContract(async (t, mode) => {
      const lines: string[] = [];
      const given = await protectionOf({ mode, log: (line) => void lines.push(line) });
      const outcomes = () => lines.map((line) => (JSON.parse(line) as { outcome: string }).outcome);
      return { shared: given, port: (await serving(t, given)).port, outcomes };
    });

    describe('signed bodies', () => {
      let signing: Protection;
      let door: Served;
      before(async () => {
        signing = await bodySigned('enforce');
        door = await serve(signing);
      });
      after(async () => {
        await door.close();
        await signing.close();
      });

      function bodySigned(mode: Mode): Promise<Protection> {
        return protectionOf({ maxSignedBody: '6MiB', mode });
      }

      async function signed(target: string, body: Buffer): Promise<string[]> {
        const { headers } = await signHttpRequest(
          {
            method: 'POST',
            target,
            authority: '127.0.0.1',
            scheme: 'http',
            body,
            created: Math.floor(Date.now() / 1000),
            nonce: randomBytes(16).toString('hex'),
          },
          { keyid: 'aidb', sign: (base) => hmacSha256(Buffer.from(secret)).bytes(Buffer.from(base)) },
        );
        return linesOf(headers);
      }

      async function post(
        body: readonly Buffer[],
        more: { chunked?: boolean; type?: string; target?: string; pauseMillis?: number } = {},
      ) {
        const { chunked = false, type = 'application/octet-stream', target = '/x' } = more;
        const lines = [...(await signed(target, Buffer.concat(body))), `content-type: ${type}`];
        const { pauseMillis = 0 } = more;
        return exchange(door.port, {
          method: 'POST',
          target,
          lines,
          body,
          chunked,
          ...(pauseMillis > 0 && { pauseMillis }),
        });
      }

      const shapes: readonly [what: string, body: readonly Buffer[], chunked: boolean, pauseMillis?: number][] = [
        ['small', [Buffer.from('hello')], false],
        ['of 5 MiB', [randomBytes(5_242_880)], false],
        ['of 5 MiB in chunks', Array.from({ length: 80 }, () => randomBytes(65_536)), true],
        ['byte by byte', Array.from({ length: 40 }, (_, index) => Buffer.from([index])), true],
        ['slowly, of a length that was said', Array.from({ length: 20 }, () => randomBytes(100)), false, 15],
        ['slowly, in chunks', Array.from({ length: 20 }, () => randomBytes(100)), true, 15],
        ['empty', [], false],
      ];
      for (const [what, body, chunked, pauseMillis = 0] of shapes) {
        test(`verifies a body and leaves it to the handler: ${what}`, async () => {
          const answer = echo(await post(body, { chunked, pauseMillis }));
          const whole = Buffer.concat(body);
          assert.deepEqual(answer, {
            principal: 'service:aidb',
            identity: [],
            length: whole.length,
            sha256: sha256(whole),
          });
        });
      }

      test("leaves it to the framework's own parser", async () => {
        for (const chunked of [false, true]) {
          const value = { text: 'résumé', list: [1, 2, { three: null }] };
          const body = [Buffer.from(JSON.stringify(value))];
          const answer = await post(body, { chunked, type: 'application/json', target: '/json' });
          assert.equal(answer.status, 200, answer.body);
          assert.deepEqual(JSON.parse(answer.body), { principal: 'service:aidb', value });
        }
      });

      test('asks a client that waits with its body for it once somebody wants it', async (t) => {
        const other = await serving(t, await bodySigned('enforce'));
        continueWhenRead(other.server);
        const body = Buffer.from('{"input":"a"}');
        const asked = async (lines: readonly string[]) => {
          const headers = lines.flatMap((line) => line.split(/: (.*)/s).slice(0, 2));
          const call = request({
            port: other.port,
            method: 'POST',
            path: '/x',
            headers: [...headers, 'host', '127.0.0.1', 'expect', '100-continue', 'content-length', String(body.length)],
          });
          let continued = false;
          call.on('continue', () => {
            continued = true;
            call.end(body);
          });
          call.flushHeaders();
          const [answer] = (await once(call, 'response')) as [IncomingMessage];
          let text = '';
          for await (const piece of answer) text += String(piece);
          call.destroy();
          return { continued, status: answer.statusCode, connection: answer.headers.connection, text };
        };
        const refused = await asked(['x-api-key: unknown']);
        assert.deepEqual([refused.continued, refused.status, refused.connection], [false, 401, 'close']);
        for (const lines of [apiKey, await signed('/x', body)]) {
          const passed = await asked([...lines, 'content-type: application/octet-stream']);
          assert.deepEqual([passed.continued, passed.status], [true, 200]);
          assert.equal((JSON.parse(passed.text) as { length: number }).length, body.length);
        }
      });

      test('refuses a body other than the signed one', async () => {
        const lines = await signed('/x', Buffer.from('hello'));
        for (const body of ['hellO', 'hello!', 'hell']) {
          const answer = await exchange(door.port, { method: 'POST', target: '/x', lines, body: [Buffer.from(body)] });
          const denied = lastDenied();
          assert.equal(denied.reason, 'invalid_signature');
          refusedAs(answer, signing, denied);
        }
      });

      for (const chunked of [false, true]) {
        test(`refuses a signed body over the limit${chunked ? ', in chunks' : ''}`, async () => {
          const answer = await post(
            Array.from({ length: 100 }, () => Buffer.alloc(65_536, 1)),
            { chunked },
          );
          assert.equal(lastDenied().reason, 'too_large');
          assert.equal(answer.status, 413);
          refusedAs(answer, signing, lastDenied());
        });
      }

      test('outlives a client that goes away in the middle of its body', async () => {
        const wire = connection(door.port);
        const seen = decisions.length;
        const lines = [...(await signed('/x', Buffer.alloc(1000))), 'content-length: 1000'];
        await wire.write({ method: 'POST', target: '/x', lines, keep: true });
        await wire.bytes(Buffer.alloc(500));
        wire.destroy();
        while (decisions.length === seen) await new Promise((resolve) => setImmediate(resolve));
        assert.equal(lastDenied().reason, 'bad_request');
        assert.equal(echo(await post([Buffer.from('hello')])).length, 5);
      });

      test('passes a body over the limit on whole, in report mode', async (t) => {
        const reporting = await serving(t, await bodySigned('report'));
        const body = Array.from({ length: 100 }, () => randomBytes(65_536));
        for (const chunked of [false, true]) {
          const lines = [...(await signed('/x', Buffer.concat(body))), 'content-type: application/octet-stream'];
          const answer = echo(await exchange(reporting.port, { method: 'POST', target: '/x', lines, body, chunked }));
          assert.equal(answer.sha256, sha256(Buffer.concat(body)));
          assert.equal(answer.principal, null);
        }
      });

      test('serves a connection on after a held body that the handler did not read', async () => {
        const wire = connection(door.port);
        const body = Buffer.alloc(100_000, 7);
        const type = 'content-type: application/octet-stream';
        const lines = [...(await signed('/boom', body)), type];
        const first = await wire.send({ method: 'POST', target: '/boom', lines, body: [body], keep: true });
        assert.equal(first.status, 500);
        const next = await signed('/x', body);
        assert.equal(
          echo(await wire.send({ method: 'POST', target: '/x', lines: [...next, type], body: [body] })).length,
          100_000,
        );
      });
    });
  });
}

function linesOf(headers: Readonly<Record<string, string>>): string[] {
  return Object.entries(headers).map(([field, value]) => `${field}: ${value}`);
}

function echo(answer: Answer): Echo {
  assert.equal(answer.status, 200, answer.body);
  return JSON.parse(answer.body) as Echo;
}

/** Fields that servers and frameworks put on every answer. */
const usual: ReadonlySet<string> = new Set(['date', 'connection', 'keep-alive', 'x-powered-by']);

function refusedAs(answer: Answer, { guard, service }: Protection, denied: Denied, head = false): void {
  const { status, headers, body } = guard.refusal(denied, service);
  assert.equal(answer.status, status);
  const fields = answer.headers.filter(([field]) => !usual.has(field)).sort();
  assert.deepEqual(fields, Object.entries(headers).sort());
  assert.equal(answer.body, head ? '' : body);
}
