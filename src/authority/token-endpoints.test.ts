import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import * as fc from '../../test/fixtures/properties.ts';
import { adminToken, bearer, rawRequest, startAuthority } from '../../test/fixtures/authority-stack.ts';
import { sha256Hex } from '../crypto/digest.ts';
import { mintKey } from '../crypto/key-format.ts';
import { createKey } from '../keys/create.ts';
import { mintRequest } from '../../test/fixtures/mint-request.ts';

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

async function call(url: string, init: RequestInit & { token?: string } = {}): Promise<Answer> {
  const { token, headers, ...rest } = init;
  const answer = await fetch(url, { ...rest, headers: { ...headers, ...(token === undefined ? {} : bearer(token)) } });
  const text = await answer.text();
  return {
    status: answer.status,
    headers: answer.headers,
    body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
  };
}

interface Minted {
  token: string;
  token_id: string;
  expires_at: string;
  ttl_hours: number;
}

async function mint(origin: string, body?: unknown, token = adminToken): Promise<Answer & { data: Minted }> {
  const answer = await call(`${origin}/auth/token`, {
    method: 'POST',
    token,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { ...answer, data: answer.body['data'] as Minted };
}

function refusedAs(answer: Answer, status: number, reason: string, words: RegExp, authenticated = false): void {
  assert.equal(answer.status, status, JSON.stringify(answer.body));
  assert.equal(answer.body['reason'], reason);
  assert.match(String(answer.body['error']), words);
  assert.equal(answer.body['authenticated'], authenticated);
  assert.deepEqual(Object.keys(answer.body), ['error', 'reason', 'authenticated']);
  assert.equal(answer.headers.get('cache-control'), 'no-store');
  assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
  const challenge = answer.headers.get('www-authenticate');
  if (status === 401 || status === 403) assert.match(challenge ?? '', /^Bearer realm="countersign"/);
  else assert.equal(challenge, null);
}

test('mints without a body and without a content type, exactly in the form of the contract', async (t) => {
  const { origin, stack } = await startAuthority(t);
  const { status, body, data, headers } = await mint(origin);
  assert.equal(status, 201);
  assert.deepEqual(Object.keys(body), ['status', 'data']);
  assert.equal(body['status'], 'success');
  assert.deepEqual(Object.keys(data), ['token', 'token_id', 'expires_at', 'ttl_hours']);
  assert.match(data.token, /^cs_st_[0-9A-Za-z]{10}_[0-9A-Za-z]{49}$/);
  assert.match(data.token_id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.match(data.expires_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  assert.equal(data.ttl_hours, 24);
  assert.equal(headers.get('content-type'), 'application/json');
  assert.equal(headers.get('cache-control'), 'no-store');
  const record = await stack.tokens.get(data.token_id);
  assert.ok(record && Math.abs(record.expiresAt - stack.clock() - 86_400) < 60);
  assert.equal(record.createdBy, 'operator:admin');
});

test('AUTH_TOKEN_TTL is the life of a token that asks for none', async (t) => {
  const { origin } = await startAuthority(t, { env: { AUTH_TOKEN_TTL: '2' } });
  assert.equal((await mint(origin)).data.ttl_hours, 2);
});

test('mints with everything that may be asked for, fractions of an hour too', async (t) => {
  const { origin, stack } = await startAuthority(t);
  const asked = {
    ttl_hours: 0.5,
    metadata: { purpose: 'nightly', nested: { a: [1, null, true] } },
    scopes: ['embed:write', 'embed:write', 'metrics:read'],
    allowed_ips: ['10.0.0.0/8', 'fd00::/8', '192.0.2.7'],
    client_id: 'nightly-job',
  };
  const { status, data } = await mint(origin, asked);
  assert.equal(status, 201);
  assert.equal(data.ttl_hours, 0.5);
  const record = await stack.tokens.get(data.token_id);
  assert.deepEqual(record?.scopes, ['embed:write', 'metrics:read']);
  assert.deepEqual(record?.allowedIps, asked.allowed_ips);
  assert.deepEqual(record?.metadata, asked.metadata);
  assert.equal(record?.clientId, 'nightly-job');
});

test('who may not mint is told so: 401 in the words of the contract, 403 when the caller is known', async (t) => {
  const { origin, stack, advance } = await startAuthority(t);
  const url = `${origin}/auth/token`;
  const post = { method: 'POST' };
  refusedAs(await call(url, post), 401, 'missing_credentials', /^Missing Authorization header$/);
  for (const authorization of ['Basic YTpi', 'Bearer', 'Bearer a b', `Token ${adminToken}`])
    refusedAs(
      await call(url, { ...post, headers: { authorization } }),
      401,
      'malformed_credentials',
      /^Invalid Authorization header format$/,
    );
  for (const token of ['wrong', mintKey('ad').key, mintKey('st').key, mintKey('sk').key, mintKey('hs').key])
    refusedAs(await call(url, { ...post, token }), 401, 'invalid_credentials', /^Invalid admin token$/);
  // The admin token is a Bearer and nothing else.
  refusedAs(
    await call(url, { ...post, headers: { 'x-api-key': adminToken } }),
    401,
    'invalid_credentials',
    /^Invalid admin token$/,
  );
  const plain = await stack.tokens.mint({ ...mintRequest, scopes: ['embed:write'] });
  const known = await call(url, { ...post, token: plain.token });
  refusedAs(known, 403, 'insufficient_scope', /^Insufficient scope: .*admin:tokens/, true);
  assert.match(known.headers.get('www-authenticate') ?? '', /error="insufficient_scope", scope="admin:tokens"/);
  advance(61);
  refusedAs(await call(url, { ...post, token: plain.token }), 401, 'expired', /^Invalid admin token$/);
});

test('without an admin token configured nobody is an admin', async (t) => {
  const { origin } = await startAuthority(t, { env: { AUTH_ADMIN_TOKEN: '' } });
  refusedAs(
    await call(`${origin}/auth/token`, { method: 'POST', token: adminToken }),
    401,
    'invalid_credentials',
    /^Invalid admin token$/,
  );
});

test('two different credentials, or two Authorization lines, are malformed', async (t) => {
  const { origin, port } = await startAuthority(t);
  const both = await call(`${origin}/auth/token`, {
    method: 'POST',
    token: adminToken,
    headers: { 'x-api-key': 'another' },
  });
  refusedAs(both, 401, 'malformed_credentials', /^Invalid Authorization header format$/);
  const twice = await rawRequest(port, [
    'POST /auth/token HTTP/1.1',
    'Host: localhost',
    `Authorization: Bearer ${adminToken}`,
    'Authorization: Bearer other',
  ]);
  assert.equal(twice.status, 401);
  assert.match(twice.body, /malformed_credentials/);
});

test('an unknown member and every wrong value is refused with words that say what to write', async (t) => {
  const { origin } = await startAuthority(t);
  const deep = (levels: number): unknown => (levels === 0 ? 1 : { a: deep(levels - 1) });
  const wrong: [unknown, RegExp][] = [
    [[], /must be a JSON object/],
    ['text', /must be a JSON object/],
    [null, /must be a JSON object/],
    [{ ttl: 1 }, /unknown member "ttl"/],
    [{ ttl_hours: 0 }, /ttl_hours must be more than 0/],
    [{ ttl_hours: -1 }, /ttl_hours must be more than 0/],
    [{ ttl_hours: 8761 }, /ttl_hours must be at most 8760/],
    [{ ttl_hours: '24' }, /ttl_hours must be a number/],
    [{ ttl_hours: null }, /ttl_hours must be a number/],
    [{ metadata: [] }, /metadata must be a JSON object/],
    [{ metadata: 'x' }, /metadata must be a JSON object/],
    [{ metadata: { a: 'x'.repeat(5000) } }, /metadata must be at most 4096 bytes/],
    [{ metadata: deep(6) }, /metadata must be nested at most 5/],
    [{ scopes: 'embed' }, /scopes must be a list/],
    [{ scopes: ['a b'] }, /scopes\[0\]: a scope is/],
    [{ scopes: ['"'] }, /a scope is/],
    [{ scopes: Array.from({ length: 65 }, (_, index) => `s${index}`) }, /scopes must be at most 64/],
    [{ allowed_ips: Array(65).fill('10.0.0.1') }, /allowed_ips must be at most 64/],
    [{ allowed_ips: ['10.0.0.0/33'] }, /prefix length/],
    [{ allowed_ips: ['localhost'] }, /not an IP address or CIDR/],
    [{ allowed_ips: [7] }, /must be a string/],
    [{ client_id: '' }, /client_id must be 1 to 128/],
    [{ client_id: 'a b' }, /client_id must be 1 to 128/],
  ];
  for (const [body, words] of wrong) {
    const answer = await mint(origin, body);
    refusedAs(answer, 400, 'bad_request', words);
    assert.match(String(answer.body['error']), /^Bad request: /);
  }
  assert.equal((await mint(origin, { metadata: { ['n'.repeat(1000)]: 1 } })).status, 201);
  assert.equal((await mint(origin)).status, 201, 'a refused body uses up none of the five');
});

test('what is no JSON, too deep or too large has its status, and the connection survives for the answer', async (t) => {
  const { origin } = await startAuthority(t);
  const post = (body: string | Uint8Array<ArrayBuffer>) =>
    call(`${origin}/auth/token`, { method: 'POST', token: adminToken, body });
  for (const body of ['{', '{"a":1}x', 'undefined', "{'a':1}", '\u{feff}{}', '[1,]'])
    refusedAs(await post(body), 400, 'bad_request', /not JSON/);
  refusedAs(await post(Uint8Array.from([0x7b, 0xff, 0x7d])), 400, 'bad_request', /not UTF-8/);
  refusedAs(await post('['.repeat(60_000)), 400, 'bad_request', /nested deeper/);
  for (const body of ['{"ttl_hours":1,"ttl_hours":9}', '{"metadata":{"a":1,"\\u0061":2}}'])
    refusedAs(await post(body), 400, 'bad_request', /the name "(ttl_hours|a)" stands twice/);
  refusedAs(await post('x'.repeat(65_537)), 413, 'too_large', /^Request body too large/);
  refusedAs(await post('x'.repeat(900_000)), 413, 'too_large', /^Request body too large/);
  refusedAs(await post('x'.repeat(3_000_000)), 413, 'too_large', /^Request body too large/);
});

test('any body a stranger sends is refused unread', async (t) => {
  const { origin } = await startAuthority(t);
  const answer = await call(`${origin}/auth/token`, { method: 'POST', token: 'wrong', body: 'x'.repeat(900_000) });
  refusedAs(answer, 401, 'invalid_credentials', /^Invalid admin token$/);
});

test('any JSON value, and any bytes, give 201, 4xx or 429 and never 5xx', async (t) => {
  const { origin } = await startAuthority(t);
  const post = async (body: string | Uint8Array<ArrayBuffer>): Promise<void> => {
    const answer = await fetch(`${origin}/auth/token`, { method: 'POST', headers: bearer(adminToken), body });
    await answer.text();
    assert.ok(answer.status === 201 || (answer.status >= 400 && answer.status < 500), String(answer.status));
  };
  const member = fc.constantFrom(
    'ttl_hours',
    'metadata',
    'scopes',
    'allowed_ips',
    'client_id',
    '__proto__',
    'toString',
  );
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.json(),
        fc.dictionary(member, fc.jsonValue()).map((value) => JSON.stringify(value)),
      ),
      post,
    ),
    { numRuns: 300 },
  );
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), (bytes) => post(Uint8Array.from(bytes))),
    { numRuns: 100 },
  );
});

test('of two hundred at once exactly five mint, and the rest learn when to come back', async (t) => {
  const { origin, stack, advance } = await startAuthority(t);
  const answers = await Promise.all(Array.from({ length: 200 }, () => mint(origin)));
  assert.equal(answers.filter((answer) => answer.status === 201).length, 5);
  const limited = answers.filter((answer) => answer.status === 429);
  assert.equal(limited.length, 195);
  for (const answer of limited) {
    refusedAs(answer, 429, 'rate_limited', /^Rate limit exceeded/, true);
    const wait = Number(answer.headers.get('retry-after'));
    assert.ok(Number.isInteger(wait) && wait >= 1 && wait <= 60);
  }
  assert.equal((await stack.tokens.listActive(100)).length, 5);
  advance(61);
  assert.equal((await mint(origin)).status, 201);
});

test('the addresses of one IPv6 network share the five', async (t) => {
  const yaml = `trustedProxies: [127.0.0.1/32]
services: { echo: { upstream: 'http://127.0.0.1:1' } }
`;
  const { origin } = await startAuthority(t, { yaml });
  const from = async (address: string) => {
    const headers = { ...bearer(adminToken), 'x-forwarded-for': address };
    return (await fetch(`${origin}/auth/token`, { method: 'POST', headers })).status;
  };
  for (let host = 1; host <= 5; host += 1) assert.equal(await from(`2001:db8::${host}`), 201);
  assert.equal(await from('2001:db8::6'), 429);
  assert.equal(await from('2001:db8:0:1::1'), 201);
});

test('whoever revokes a token that minted others is told how many of them live on', async (t) => {
  const { origin } = await startAuthority(t);
  const minter = (await mint(origin, { scopes: ['admin:tokens'] })).data;
  const first = (await mint(origin, {}, minter.token)).data;
  await mint(origin, {}, minter.token);
  await mint(origin);
  const revoke = async ({ token_id: id }: Minted) =>
    (await call(`${origin}/auth/tokens/${id}`, { method: 'DELETE', token: adminToken })).body['data'] as {
      live_minted?: number;
      advice?: string;
    };
  const told = await revoke(minter);
  assert.equal(told.live_minted, 2);
  assert.ok(told.advice?.includes(`created_by token:${minter.token_id}`), told.advice);
  assert.ok(told.advice?.includes(`countersign tokens revoke --minted-by ${minter.token_id}`));
  assert.deepEqual(Object.keys(await revoke(first)), ['token_id', 'revoked_at']);
  assert.equal((await revoke(minter)).live_minted, 1);
});

test('those who prove nothing use up none of the five', async (t) => {
  const { origin } = await startAuthority(t);
  for (let attempt = 0; attempt < 8; attempt += 1) assert.equal((await mint(origin, {}, 'wrong')).status, 401);
  for (let attempt = 0; attempt < 5; attempt += 1) assert.equal((await mint(origin)).status, 201);
  assert.equal((await mint(origin)).status, 429);
});

test('guessing the admin token is limited per address, and the right one still passes', async (t) => {
  const { origin } = await startAuthority(t);
  const list = (token: string) => call(`${origin}/auth/tokens`, { token });
  const answers = await Promise.all(Array.from({ length: 12 }, (_, index) => list(`guess-${index}`)));
  const statuses = answers.map((answer) => answer.status);
  assert.ok(statuses.filter((status) => status === 401).length <= 10);
  const limited = answers.find((answer) => answer.status === 429);
  assert.ok(limited);
  refusedAs(limited, 429, 'rate_limited', /^Rate limit exceeded/);
  assert.ok(limited.headers.get('retry-after'));
  let right = await list(adminToken);
  while (right.status === 429) right = await list(adminToken);
  assert.equal(right.status, 200);
});

test('a foreign token that has expired is no guess at the admin token', async (t) => {
  const { origin, stack, advance } = await startAuthority(t);
  const foreign = '0b3c7a52-3f0e-4d0c-9a59-5f4b8a3a7c11';
  const now = stack.clock();
  await stack.store.tokens.insert({
    tokenId: '7d0a1c1e-6a07-4a0e-8c39-0d2f1b5f4e21',
    tokenHash: sha256Hex(foreign),
    createdAt: now,
    expiresAt: now + 60,
    revokedAt: null,
    scopes: ['admin:tokens'],
    allowedIps: [],
    clientId: null,
    metadata: {},
    createdBy: 'operator:admin',
  });
  assert.equal((await call(`${origin}/auth/tokens`, { token: foreign })).status, 200);
  advance(61);
  for (let attempt = 0; attempt < 12; attempt += 1)
    refusedAs(await call(`${origin}/auth/tokens`, { token: foreign }), 401, 'expired', /^Invalid admin token$/);
});

test('minting never widens: scopes, time, addresses, and the right to mint', async (t) => {
  const { origin, stack } = await startAuthority(t);
  const minter = await mint(origin, {
    ttl_hours: 2,
    scopes: ['admin:tokens', 'embed:read'],
    allowed_ips: ['127.0.0.0/8', '10.0.0.0/8'],
  });
  const by = (body: unknown) => mint(origin, body, minter.data.token);
  refusedAs(
    await by({ scopes: ['admin:tokens'] }),
    403,
    'not_allowed',
    /^Caller not allowed: only the admin token grants/,
    true,
  );
  const wider = await by({ scopes: ['embed:read', 'embed:write'] });
  refusedAs(wider, 403, 'insufficient_scope', /^Insufficient scope: you cannot grant embed:write/, true);
  refusedAs(await by({ ttl_hours: 3 }), 403, 'not_allowed', /ttl_hours may be at most/, true);
  for (const cidr of ['0.0.0.0/0', '10.0.0.0/7', '192.0.2.1', '::/0', '::ffff:10.0.0.0/104', '8.0.0.0/5'])
    refusedAs(await by({ allowed_ips: ['10.1.0.0/16', cidr] }), 403, 'not_allowed', /allowed_ips .* lie outside/, true);

  const child = await by({ scopes: ['embed:read'], allowed_ips: ['10.1.0.0/16'], ttl_hours: 1 });
  assert.equal(child.status, 201);
  const inherited = await by({});
  assert.equal(inherited.status, 201);
  assert.ok(inherited.data.ttl_hours <= 2);
  const record = await stack.tokens.get(inherited.data.token_id);
  assert.deepEqual(record?.allowedIps, ['127.0.0.0/8', '10.0.0.0/8']);
  assert.deepEqual(record?.scopes, []);
  const parent = await stack.tokens.get(minter.data.token_id);
  assert.ok(record && parent && record.expiresAt <= parent.expiresAt + 1);
  assert.equal(record.createdBy, `token:${minter.data.token_id}`);
});

test('a key that reads the keys of its own service mints no token that reads those of all', async (t) => {
  const { origin, stack } = await startAuthority(t);
  const { key } = await createKey(stack.store, stack.seal, {
    service: 'aidb',
    kind: 'sk',
    scopes: ['admin:tokens', 'keys:read', 'embed:read'],
    expiresAt: null,
    now: stack.clock(),
  });
  const widened = await mint(origin, { scopes: ['keys:read'] }, key);
  refusedAs(widened, 403, 'not_allowed', /a key of a service cannot grant keys:read/, true);
  assert.equal((await mint(origin, { scopes: ['embed:read'] }, key)).status, 201);
  const admin = await mint(origin, { scopes: ['admin:tokens', 'keys:read'] });
  assert.equal((await mint(origin, { scopes: ['keys:read'] }, admin.data.token)).status, 201);
});

test('a minter outside its own addresses is refused', async (t) => {
  const { origin } = await startAuthority(t);
  const minter = await mint(origin, { scopes: ['admin:tokens'], allowed_ips: ['10.0.0.0/8'] });
  refusedAs(await mint(origin, {}, minter.data.token), 403, 'address_not_allowed', /^Address not allowed$/, true);
});

test('the list shows active tokens, newest first, and neither token nor hash', async (t) => {
  const { origin, advance } = await startAuthority(t);
  const first = await mint(origin, { ttl_hours: 0.001, client_id: 'short' });
  const second = await mint(origin, { client_id: 'long', scopes: ['a:b'], metadata: { why: 'test' } });
  const list = async () => {
    const answer = await call(`${origin}/auth/tokens`, { token: adminToken });
    assert.equal(answer.status, 200);
    const text = JSON.stringify(answer.body);
    assert.ok(!text.includes(first.data.token) && !text.includes(second.data.token) && !/[0-9a-f]{64}/.test(text));
    return answer.body['data'] as { tokens: Record<string, unknown>[]; count: number; truncated: boolean };
  };
  assert.equal((await list()).count, 2);
  advance(10);
  const { tokens, count, truncated } = await list();
  assert.equal(count, 1);
  assert.equal(truncated, false);
  assert.deepEqual(Object.keys(tokens[0] ?? {}), [
    'token_id',
    'created_at',
    'expires_at',
    'scopes',
    'allowed_ips',
    'client_id',
    'metadata',
    'created_by',
  ]);
  assert.equal(tokens[0]?.['token_id'], second.data.token_id);
  assert.deepEqual(tokens[0]?.['metadata'], { why: 'test' });
});

test('a revoked token is dead at once; an unknown one is 404', async (t) => {
  const { origin } = await startAuthority(t);
  const { data } = await mint(origin, { scopes: ['admin:tokens'] });
  assert.equal((await call(`${origin}/auth/tokens`, { token: data.token })).status, 200);
  const remove = (id: string, token = adminToken) => call(`${origin}/auth/tokens/${id}`, { method: 'DELETE', token });
  const answer = await remove(data.token_id);
  assert.equal(answer.status, 200);
  assert.equal((answer.body['data'] as Minted).token_id, data.token_id);
  refusedAs(await call(`${origin}/auth/tokens`, { token: data.token }), 401, 'revoked', /^Invalid admin token$/);
  assert.equal((await remove(data.token_id)).status, 200, 'twice is the same');
  refusedAs(await remove('00000000-0000-4000-8000-000000000000'), 404, 'not_found', /^Not found/);
  refusedAs(await remove('nonsense'), 404, 'not_found', /^Not found/);
  refusedAs(await remove(data.token_id, 'wrong'), 401, 'invalid_credentials', /^Invalid admin token$/);
});

test('who is revoked while its body is under way mints, asks and revokes nothing more', async (t) => {
  const { origin, port, stack } = await startAuthority(t);
  const { data: kept } = await mint(origin);
  const form = `token=${kept.token}`;
  for (const [path, body] of [
    ['/auth/token', '{}'],
    ['/auth/introspect', form],
    ['/auth/revoke', form],
    ['/mcp', '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'],
  ] as const) {
    const { token, record } = await stack.tokens.mint({ ...mintRequest, scopes: ['admin:tokens'] });
    const socket = connect(port, '127.0.0.1');
    const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer ${token}\r\n`;
    // 100 Continue is said when the caller was judged and the body is awaited.
    socket.write(`${head}Expect: 100-continue\r\nContent-Length: ${body.length}\r\n\r\n`);
    const [early] = (await once(socket, 'data')) as [Buffer];
    assert.match(early.toString(), /^HTTP\/1\.1 100 /);
    await stack.tokens.revoke(record.tokenId);
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    socket.write(body);
    await once(socket, 'close');
    assert.match(answer, /^HTTP\/1\.1 401 /, path);
    assert.match(answer, /"reason":"revoked"/, path);
  }
  const list = (await stack.tokens.listActive(10)).map((record) => record.tokenId);
  assert.deepEqual(list, [kept.token_id]);
});
