import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  adminToken,
  bearer,
  rawRequest,
  startAuthority,
  type AuthorityFixture,
} from '../../test/fixtures/authority-stack.ts';
import { systemClock } from '../core/clock.ts';
import { sha256Hex } from '../crypto/digest.ts';
import { createKey } from '../keys/create.ts';
import type { KeysNews } from '../keys/sources/authority-news.ts';
import { mintRequest } from '../../test/fixtures/mint-request.ts';

const yaml = `services:
  open: { upstream: 'http://127.0.0.1:1' }
  closed:
    upstream: 'http://127.0.0.1:1'
    routes:
      - { path: /public/*, access: public }
      - { path: /*, callers: [aidb] }
  partly:
    upstream: 'http://127.0.0.1:1'
    routes:
      - { path: /batch, callers: [aidb] }
  keyed: { upstream: 'http://127.0.0.1:1', accept: [api-key] }
callers: [aidb, other]
`;

async function created(
  { stack }: AuthorityFixture,
  service: string,
  kind: 'sk' | 'hs' | 'ed25519',
  scopes: string[] = [],
) {
  return createKey(stack.store, stack.seal, { service, kind, scopes, expiresAt: null, now: systemClock() });
}

interface Answer {
  readonly status: number;
  readonly etag: string;
  readonly text: string;
  readonly data: KeysNews;
}

async function snapshot(origin: string, query: string, headers: Record<string, string>): Promise<Answer> {
  const response = await fetch(`${origin}/auth/keys/snapshot${query}`, { headers });
  const text = await response.text();
  const body = text === '' ? {} : (JSON.parse(text) as { data: KeysNews });
  return {
    status: response.status,
    etag: response.headers.get('etag') ?? '',
    text,
    data: (body as { data: KeysNews }).data,
  };
}

test('only the admin and holders of keys:read are told, a service of itself alone', async (t) => {
  const fixture = await startAuthority(t, { yaml });
  const { origin, stack } = fixture;
  const own = await created(fixture, 'open', 'sk', ['keys:read']);
  const without = await created(fixture, 'open', 'sk');
  const { token } = await stack.tokens.mint({ ...mintRequest, scopes: ['keys:read'] });
  const status = async (query: string, key: string) => (await snapshot(origin, query, bearer(key))).status;
  assert.equal((await snapshot(origin, '?service=open', {})).status, 401);
  assert.equal(await status('?service=open', adminToken), 200);
  assert.equal(await status('?service=open', token), 200);
  assert.equal(await status('?service=closed', token), 200);
  assert.equal(await status('', own.key), 200);
  assert.equal(await status('?service=open', own.key), 200);
  assert.equal(await status('?service=closed', own.key), 403);
  assert.equal(await status('?service=open', without.key), 403);
  assert.equal(await status('', adminToken), 400);
  assert.equal(await status('?service=nobody', adminToken), 404);
  assert.equal(await status('?service=open&wait=-1', adminToken), 400);
});

test('nothing is told to who stands behind a proxy that did not come over TLS', async (t) => {
  const asks = async (trusted: boolean, lines: string[]) => {
    const fixture = await startAuthority(t, { yaml: `${trusted ? 'trustedProxies: [127.0.0.1/32]\n' : ''}${yaml}` });
    const head = [
      'GET /auth/keys/snapshot?service=open HTTP/1.1',
      'Host: 127.0.0.1',
      `Authorization: Bearer ${adminToken}`,
    ];
    return (await rawRequest(fixture.port, [...head, ...lines])).status;
  };
  assert.equal(await asks(false, []), 200);
  assert.equal(await asks(false, ['X-Forwarded-Proto: https']), 400);
  assert.equal(await asks(false, ['Via: 1.1 proxy']), 400);
  assert.equal(await asks(true, ['Via: 1.1 proxy']), 400);
  assert.equal(await asks(true, ['Via: 1.1 proxy', 'X-Forwarded-Proto: https']), 200);
  assert.equal(await asks(true, ['X-Forwarded-For: 10.0.0.7']), 400);
  assert.equal(await asks(true, ['X-Forwarded-For: 10.0.0.7', 'X-Forwarded-Proto: http']), 400);
  assert.equal(await asks(true, ['X-Forwarded-For: 10.0.0.7', 'X-Forwarded-Proto: https']), 200);
});

test('nothing is told over plain HTTP under a name that is not ours', async (t) => {
  const { port } = await startAuthority(t, { yaml: `adminHosts: [ops.internal]\n${yaml}` });
  const asks = async (path: string, host: string) => {
    const head = [`GET ${path} HTTP/1.1`, `Host: ${host}`, `Authorization: Bearer ${adminToken}`];
    return (await rawRequest(port, head)).status;
  };
  const snapshotPath = '/auth/keys/snapshot?service=open';
  for (const host of ['127.0.0.1', 'localhost:8700', '[::1]', 'ops.internal'])
    assert.equal(await asks(snapshotPath, host), 200, host);
  for (const path of [snapshotPath, `/auth/keys/tokens/${'0'.repeat(64)}?service=open`])
    assert.equal(await asks(path, 'rebound.example'), 403);
});

test('hands out digests of all callers, and secrets only of those whom the service names', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-keys-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const shared = 'fedcba9876543210'.repeat(4);
  for (const name of ['open', 'closed', 'stack'])
    await writeFile(join(folder, `${name}_api_key`), `${name}${shared}`, { mode: 0o600 });
  await writeFile(join(folder, 'aidb.env'), `SERVICE_KEY=${shared}`, { mode: 0o600 });
  const files = `keys: [{ files: '${folder}/*_api_key' }, { envFiles: '${folder}/*.env' }]\n`;
  const fixture = await startAuthority(t, { yaml: files + yaml });
  const keys = {
    sk: await created(fixture, 'aidb', 'sk'),
    hs: await created(fixture, 'aidb', 'hs'),
    ed: await created(fixture, 'aidb', 'ed25519'),
    otherSk: await created(fixture, 'other', 'sk'),
    otherHs: await created(fixture, 'other', 'hs'),
    dead: await created(fixture, 'aidb', 'hs'),
  };
  await fixture.stack.store.keys.revoke(keys.dead.record.id, systemClock());

  const told = async (service: string) => {
    const answer = await snapshot(fixture.origin, `?service=${service}`, bearer(adminToken));
    const { keys: all } = answer.data;
    assert.ok(all);
    for (const { key } of [keys.sk, keys.otherSk, keys.ed]) assert.ok(!answer.text.includes(key));
    assert.ok(!answer.text.includes(keys.dead.key));
    assert.ok(!answer.text.includes(shared));
    assert.deepEqual(all.revocations, [keys.dead.record.digest]);
    return {
      ids: all.callers.map(({ id }) => id).sort(),
      secrets: all.callers.flatMap(({ secret }) => secret ?? []).sort(),
      shared: all.shared.map(({ credential_id: id }) => id).sort(),
      withheld: all.withheld,
      warnings: all.warnings,
    };
  };
  const id = (key: { record: { id: string } }) => key.record.id;
  const common = [id(keys.sk), id(keys.ed), id(keys.otherSk)];
  assert.deepEqual(await told('open'), {
    ids: common.toSorted(),
    secrets: [],
    shared: ['file:open_api_key', 'file:stack_api_key'],
    withheld: [],
    warnings: [
      'the HMAC secrets of aidb, other are withheld, so their signatures count for nothing at open: a secret is handed out to services that name its caller; to accept them write callers: [aidb, other] at a route of open',
    ],
  });
  const partly = await told('partly');
  assert.deepEqual(partly.secrets, [keys.hs.key]);
  assert.deepEqual(partly.withheld, ['env:aidb.env']);
  assert.match(partly.warnings.join(), /^the HMAC secret of other is withheld.* write callers: \[other\]/);
  assert.deepEqual(await told('closed'), {
    ids: [...common, id(keys.hs)].sort(),
    secrets: [keys.hs.key],
    shared: ['file:closed_api_key', 'file:stack_api_key'],
    withheld: ['env:aidb.env'],
    warnings: [],
  });
  assert.deepEqual(await told('keyed'), {
    ids: common.toSorted(),
    secrets: [],
    shared: ['file:stack_api_key'],
    withheld: [],
    warnings: [],
  });
});

test('who waits hears of a change as it happens, and of keys and tokens apart', async (t) => {
  const fixture = await startAuthority(t, { yaml });
  const { origin, stack } = fixture;
  const first = await snapshot(origin, '?service=open', bearer(adminToken));
  const waiting = (etag: string) =>
    snapshot(origin, '?service=open&wait=30', { ...bearer(adminToken), 'if-none-match': etag });

  const key = waiting(first.etag);
  const { record } = await created(fixture, 'aidb', 'sk');
  let answer = await key;
  // What waited may have been woken by the first of two changes that one act made.
  while (answer.data.keys?.callers.length === 0) answer = await waiting(answer.etag);
  assert.deepEqual(
    answer.data.keys?.callers.map(({ id }) => id),
    [record.id],
  );
  assert.deepEqual(answer.data.tokens_changed, []);

  const { token, record: minted } = await stack.tokens.mint(mintRequest);
  const before = await snapshot(origin, '?service=open', bearer(adminToken));
  const revoked = waiting(before.etag);
  await stack.tokens.revoke(minted.tokenId);
  answer = await revoked;
  assert.deepEqual(new Set(answer.data.tokens_changed), new Set([minted.tokenId]));
  assert.equal(answer.data.keys, null, 'the keys are as they were');

  for (const name of [minted.tokenId, sha256Hex(token)]) {
    const found = await fetch(`${origin}/auth/keys/tokens/${name}?service=open`, { headers: bearer(adminToken) });
    const { data } = (await found.json()) as { data: { token_id: string; revoked_at: string | null } };
    assert.equal(data.token_id, minted.tokenId);
    assert.notEqual(data.revoked_at, null);
  }
  const none = `${origin}/auth/keys/tokens/${'0'.repeat(64)}?service=open`;
  assert.equal((await fetch(none, { headers: bearer(adminToken) })).status, 404);
  assert.equal((await fetch(none)).status, 401);
});

test('nothing new is said in no words, and the versions of another run mean nothing', async (t) => {
  const { origin } = await startAuthority(t, { yaml });
  const first = await snapshot(origin, '?service=open', bearer(adminToken));
  const again = await snapshot(origin, '?service=open', { ...bearer(adminToken), 'if-none-match': first.etag });
  assert.deepEqual([again.status, again.text, again.etag], [304, '', first.etag]);
  for (const etag of ['"abcdefgh.0.0"', '"x"', 'nonsense']) {
    const fresh = await snapshot(origin, '?service=open', { ...bearer(adminToken), 'if-none-match': etag });
    assert.deepEqual([fresh.status, fresh.data.tokens_changed], [200, null]);
    assert.ok(fresh.data.keys);
  }
});

test('nobody waits for news from a server that is about to end', async (t) => {
  const { origin, authority } = await startAuthority(t, { yaml });
  const first = await snapshot(origin, '?service=open', bearer(adminToken));
  const wait = () => snapshot(origin, '?service=open&wait=50', { ...bearer(adminToken), 'if-none-match': first.etag });
  const waiting = wait();
  authority.drain();
  assert.equal((await waiting).status, 304);
  assert.equal((await wait()).status, 304);
});

test('who lost the right to ask while waiting is told nothing more', async (t) => {
  const fixture = await startAuthority(t, { yaml });
  const own = await created(fixture, 'open', 'sk', ['keys:read']);
  const first = await snapshot(fixture.origin, '', bearer(own.key));
  const waiting = snapshot(fixture.origin, '?wait=30', { ...bearer(own.key), 'if-none-match': first.etag });
  // It was let in before these were, and waits by now.
  for (const _ of [1, 2, 3]) await snapshot(fixture.origin, '?service=open', bearer(adminToken));
  await fixture.stack.store.keys.revoke(own.record.id, systemClock());
  const answer = await waiting;
  assert.equal(answer.status, 401);
});
