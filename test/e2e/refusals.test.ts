/** Every refusal, produced by the real program over real HTTP: status, words, reason and challenge. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test, type TestContext } from 'node:test';
import { createGuard } from '../../src/core/guard.ts';
import { routeTable } from '../../src/core/route-table.ts';
import { allow, denyPrincipal, REASONS, type Reason } from '../../src/core/verdict.ts';
import { mintKey } from '../../src/crypto/key-format.ts';
import { freePort } from '../fixtures/free-port.ts';
import { startProgram, startUpstream, type Program } from './program.ts';
import { requestWith } from '../fixtures/asked.ts';

const adminToken = 'an-admin-token-of-a-fair-length-0123456789';
const seen = new Set<Reason>();

interface Expected {
  readonly reason: Reason;
  readonly words: string;
  /** A pattern that WWW-Authenticate must match; null where there must be none. */
  readonly challenge: RegExp | null;
  readonly authenticated?: boolean;
  readonly retryAfter?: boolean;
}

async function expectRefusal(answer: Response, expected: Expected): Promise<void> {
  const { reason, words, challenge, authenticated = false, retryAfter = false } = expected;
  const body = (await answer.json()) as Record<string, unknown>;
  assert.equal(body['reason'], reason, JSON.stringify(body));
  assert.equal(answer.status, REASONS[reason].status);
  assert.ok(String(body['error']).startsWith(words), `"${String(body['error'])}" does not begin with "${words}"`);
  assert.equal(body['authenticated'], authenticated);
  assert.match(answer.headers.get('content-type') ?? '', /^application\/json/);
  const header = answer.headers.get('www-authenticate');
  if (challenge === null) assert.equal(header, null);
  else assert.match(header ?? '', challenge);
  if (retryAfter) assert.match(answer.headers.get('retry-after') ?? '', /^[1-9][0-9]*$/);
  seen.add(reason);
}

function signed(id: string, key: string, method: string, path: string, skew = 0): Record<string, string> {
  const timestamp = String(Math.floor(Date.now() / 1000) + skew);
  const signature = createHmac('sha256', key).update(`${id}:${method}:${path}:${timestamp}`).digest('hex');
  return { 'x-service-id': id, 'x-service-signature': signature, 'x-service-timestamp': timestamp };
}

/** Time has to pass until a key is dead, and the server hears of the command line's work through the store. */
async function fetchedOnce(reason: Reason, ask: () => Promise<Response>): Promise<Response> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const answer = await ask();
    const body = (await answer.clone().json()) as { reason?: string };
    if (body.reason === reason || Date.now() > deadline) return answer;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const bearer = (key: string): Record<string, string> => ({ authorization: `Bearer ${key}` });

async function created(program: Program, args: readonly string[]): Promise<{ id: string; key: string }> {
  const { code, stdout, stderr } = await program.cli([...args, '--output', 'json']);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as { id: string; key: string };
}

async function mutePort(t: TestContext): Promise<number> {
  const sockets = new Set<{ destroy(): void }>();
  const server = createTcpServer((socket) => void sockets.add(socket.on('error', () => undefined)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

test('every refusal has its status, words, reason and challenge over real HTTP', { timeout: 120_000 }, async (t) => {
  const upstream = await startUpstream(t);
  const program = await startProgram(t, {
    env: { AUTH_ADMIN_TOKEN: adminToken },
    yaml: `mode: enforce
callers: [aidb, main-backend]
services:
  echo:
    upstream: ${upstream.url}
    signature: { replay: all }
    routes:
      - { path: /open, access: public }
      - { path: /aidb-only, callers: [aidb] }
      - { path: /scoped, scopes: [embed:write] }
      - { path: /far, allowedIps: [10.99.0.0/16] }
      - { path: /once, rateLimit: { limit: 1, per: 60s, by: caller } }
      - { path: /operators, access: operator }
      - { path: /get-only, methods: [GET] }
  away: { upstream: 'http://127.0.0.1:${await freePort()}' }
  mute: { upstream: 'http://127.0.0.1:${await mutePort(t)}', timeouts: { response: 1s } }
`,
  });
  const url = (path: string): string => program.origin + path;
  const { key, id } = await created(program, ['keys', 'create', 'main-backend']);
  const hmac = await created(program, ['keys', 'create', 'main-backend', '--kind', 'hs']);
  const anyChallenge = /^Bearer realm="countersign"/;
  const invalidToken = /^Bearer realm="countersign", error="invalid_token"/;

  await t.test('what is right passes', async () => {
    const answer = await fetch(url('/echo/x'), { headers: bearer(key) });
    assert.equal(answer.status, 200);
    assert.equal((await fetch(url('/echo/x'), { headers: { 'x-api-key': key } })).status, 200);
    assert.equal(
      (await fetch(url('/echo/x'), { headers: signed('main-backend', hmac.key, 'GET', '/echo/x') })).status,
      200,
    );
    assert.equal((await fetch(url('/echo/open'))).status, 200);
    assert.equal(upstream.requests.length, 4);
    assert.equal(upstream.requests[0]?.headers['x-auth-principal'], 'service:main-backend');
    assert.equal(upstream.requests[0]?.headers.authorization, undefined);
  });
  const passed = (): number => upstream.requests.length;
  const before = passed();

  await t.test('missing_credentials', async () => {
    const answer = await fetch(url('/echo/x'));
    assert.doesNotMatch(answer.headers.get('www-authenticate') ?? '', /error=/);
    await expectRefusal(answer, {
      reason: 'missing_credentials',
      words: 'Missing Authorization header',
      challenge: anyChallenge,
    });
  });
  await t.test('malformed_credentials', async () => {
    const headers = { authorization: 'Basic YTpi' };
    const words = 'Invalid Authorization header format';
    await expectRefusal(await fetch(url('/echo/x'), { headers }), {
      reason: 'malformed_credentials',
      words,
      challenge: anyChallenge,
    });
  });
  await t.test('invalid_credentials, by Bearer, by x-api-key and where only the admin token serves', async () => {
    const wrong = mintKey('sk').key;
    const reason = 'invalid_credentials';
    await expectRefusal(await fetch(url('/echo/x'), { headers: bearer(wrong) }), {
      reason,
      words: 'Invalid or expired token',
      challenge: invalidToken,
    });
    await expectRefusal(await fetch(url('/echo/x'), { headers: { 'x-api-key': wrong } }), {
      reason,
      words: 'Invalid API key',
      challenge: invalidToken,
    });
    await expectRefusal(await fetch(url('/auth/token'), { method: 'POST', headers: bearer('guess') }), {
      reason,
      words: 'Invalid admin token',
      challenge: /^Bearer /,
    });
    await expectRefusal(await fetch(url('/echo/x'), { headers: bearer(adminToken) }), {
      reason,
      words: 'Invalid or expired token',
      challenge: invalidToken,
    });
  });
  await t.test('expired', async () => {
    const short = await created(program, ['keys', 'create', 'main-backend', '--expires', '1s']);
    const answer = await fetchedOnce('expired', () => fetch(url('/echo/x'), { headers: bearer(short.key) }));
    await expectRefusal(answer, { reason: 'expired', words: 'Invalid or expired token', challenge: invalidToken });
  });
  await t.test('revoked', async () => {
    const doomed = await created(program, ['keys', 'create', 'main-backend']);
    assert.equal((await program.cli(['keys', 'revoke', doomed.id])).code, 0);
    const answer = await fetchedOnce('revoked', () => fetch(url('/echo/x'), { headers: { 'x-api-key': doomed.key } }));
    await expectRefusal(answer, { reason: 'revoked', words: 'Invalid API key', challenge: invalidToken });
  });
  await t.test('invalid_signature, timestamp_outside_window, unknown_service, replayed', async () => {
    const get = (headers: Record<string, string>): Promise<Response> => fetch(url('/echo/x'), { headers });
    const challenge = /ServiceSignature/;
    await expectRefusal(await get(signed('main-backend', hmac.key, 'POST', '/echo/x')), {
      reason: 'invalid_signature',
      words: 'Invalid signature',
      challenge,
    });
    await expectRefusal(await get(signed('main-backend', hmac.key, 'GET', '/echo/x', -400)), {
      reason: 'timestamp_outside_window',
      words: 'Timestamp outside allowed window',
      challenge,
    });
    await expectRefusal(await get(signed('nobody', hmac.key, 'GET', '/echo/x')), {
      reason: 'unknown_service',
      words: 'Unknown service',
      challenge,
    });
    // A path of its own: five seconds ago the same may have been signed for another one.
    const headers = signed('main-backend', hmac.key, 'GET', '/echo/again', -5);
    const replay = (): Promise<Response> => fetch(url('/echo/again'), { headers });
    assert.equal((await replay()).status, 200);
    await expectRefusal(await replay(), { reason: 'replayed', words: 'Replayed request', challenge });
  });
  await t.test('not_allowed: callers, operators, methods', async () => {
    const expected: Expected = {
      reason: 'not_allowed',
      words: 'Caller not allowed',
      challenge: anyChallenge,
      authenticated: true,
    };
    await expectRefusal(await fetch(url('/echo/aidb-only'), { headers: bearer(key) }), expected);
    await expectRefusal(await fetch(url('/echo/operators'), { headers: bearer(key) }), expected);
    await expectRefusal(await fetch(url('/echo/get-only'), { method: 'POST', headers: bearer(key) }), expected);
  });
  await t.test('insufficient_scope', async () => {
    const challenge = /error="insufficient_scope", scope="embed:write"/;
    await expectRefusal(await fetch(url('/echo/scoped'), { headers: bearer(key) }), {
      reason: 'insufficient_scope',
      words: 'Insufficient scope',
      challenge,
      authenticated: true,
    });
  });
  await t.test('address_not_allowed', async () => {
    await expectRefusal(await fetch(url('/echo/far'), { headers: bearer(key) }), {
      reason: 'address_not_allowed',
      words: 'Address not allowed',
      challenge: anyChallenge,
      authenticated: true,
    });
  });
  await t.test('rate_limited', async () => {
    assert.equal((await fetch(url('/echo/once'), { headers: bearer(key) })).status, 200);
    await expectRefusal(await fetch(url('/echo/once'), { headers: bearer(key) }), {
      reason: 'rate_limited',
      words: 'Rate limit exceeded',
      challenge: null,
      authenticated: true,
      retryAfter: true,
    });
  });
  await t.test('no_such_service and bad_request', async () => {
    await expectRefusal(await fetch(url('/nowhere/x'), { headers: bearer(key) }), {
      reason: 'no_such_service',
      words: '',
      challenge: null,
    });
    await expectRefusal(await fetch(url('/echo/a%2fb'), { headers: bearer(key) }), {
      reason: 'bad_request',
      words: '',
      challenge: null,
    });
  });
  await t.test('not_found and method_not_allowed on the authority', async () => {
    await expectRefusal(await fetch(url('/auth/nothing'), { headers: bearer(adminToken) }), {
      reason: 'not_found',
      words: 'Not found',
      challenge: null,
    });
    const answer = await fetch(url('/auth/token'), { method: 'PUT', headers: bearer(adminToken) });
    assert.equal(answer.headers.get('allow'), 'POST');
    await expectRefusal(answer, { reason: 'method_not_allowed', words: 'Method not allowed', challenge: null });
  });
  await t.test('too_large', async () => {
    const body = JSON.stringify({ metadata: { note: 'x'.repeat(200_000) } });
    const answer = await fetch(url('/auth/token'), { method: 'POST', headers: bearer(adminToken), body });
    const { reason } = (await answer.json()) as { reason: string };
    assert.deepEqual([answer.status, reason], [413, 'too_large']);
    seen.add('too_large');
  });
  await t.test('upstream_unreachable and upstream_timeout are told apart', async () => {
    for (const [path, reason] of [
      ['/away/x', 'upstream_unreachable'],
      ['/mute/x', 'upstream_timeout'],
    ] as const) {
      const answer = await fetch(url(path), { headers: bearer(key) });
      const body = (await answer.json()) as { reason: string };
      assert.deepEqual([answer.status, body.reason], [REASONS[reason].status, reason]);
      seen.add(reason);
    }
  });
  await t.test('unavailable: a store that cannot answer is 503, never 401', async () => {
    // The server writes into it as well.
    const database = new DatabaseSync(join(program.folder, 'state.db'), { timeout: 30_000 });
    database.exec('ALTER TABLE auth_tokens RENAME TO auth_tokens_away');
    const answer = await fetch(url('/echo/x'), { headers: bearer(mintKey('st').key) });
    database.exec('ALTER TABLE auth_tokens_away RENAME TO auth_tokens');
    database.close();
    await expectRefusal(answer, {
      reason: 'unavailable',
      words: 'Authentication unavailable',
      challenge: null,
      retryAfter: true,
    });
  });
  await t.test('no refused request reached the upstream', () => {
    // One replay partner and one within the rate limit were right, and so were keys until their end was noticed.
    const unexpected = upstream.requests
      .slice(before)
      .filter(({ headers }) => headers['x-auth-principal'] !== 'service:main-backend');
    assert.deepEqual(unexpected, []);
  });
  assert.ok(id.length === 10);
});

test('tool_not_allowed is answered like every other refusal', async (t) => {
  const principal = {
    id: 'service:aidb',
    scheme: 'api-key',
    credentialId: 'k',
    scopes: [],
    expiresAt: null,
    addresses: null,
  };
  const guarded = {
    table: routeTable('echo', []),
    authorization: 'ours' as const,
    staleSecondsMax: 0,
    schemes: [{ name: 'api-key', authenticate: () => allow(principal), challenge: () => 'Bearer realm="countersign"' }],
  };
  const guard = createGuard({
    service: () => guarded,
    modes: { modeOf: () => 'enforce' },
    policies: [
      {
        name: 'tools',
        check: (caller) => denyPrincipal(caller, 'tool_not_allowed', 'the tool is not among those allowed'),
      },
    ],
  });
  const server = createServer((request, response) => {
    const asked = requestWith({ target: request.url ?? '', path: '/x', service: 'echo' });
    void guard.decide(asked).then(({ verdict }) => {
      assert.ok(verdict && !verdict.allowed);
      const refusal = guard.refusal(verdict, 'echo');
      response.writeHead(refusal.status, { ...refusal.headers }).end(refusal.body);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/x`);
  await expectRefusal(answer, {
    reason: 'tool_not_allowed',
    words: 'Tool not allowed',
    challenge: /^Bearer/,
    authenticated: true,
  });
});

test('no refusal was left out', () => {
  const all = Object.keys(REASONS) as Reason[];
  assert.deepEqual(
    // It is said in the words of MCP: see gateway/mcp.
    all.filter((reason) => reason !== 'header_mismatch' && !seen.has(reason)),
    [],
  );
});
