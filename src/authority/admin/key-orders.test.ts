/** The life of a key over HTTP: ordered by the code that serves the command line, and recorded with its reason. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { contentOf } from '../../audit/chain/verify-chain.ts';
import { adminToken, bearer, startAuthority } from '../../../test/fixtures/authority-stack.ts';
import { loggedIn, quick } from '../../../test/fixtures/operator.ts';

interface Data {
  readonly id: string;
  readonly key: string;
  readonly expires_at: string | null;
  readonly revoked_at: string | null;
  readonly replaces: { readonly id: string; readonly expires_at: string | null; readonly last_used: object | null };
}

async function place(t: TestContext) {
  const { adminOrigin, stack, ...rest } = await startAuthority(t, { authority: quick });
  const order = async (method: string, path: string, body?: object) => {
    const answer = await fetch(`${adminOrigin}/admin/api${path}`, {
      method,
      headers: bearer(adminToken),
      ...(body && { body: JSON.stringify(body) }),
    });
    const parsed = (await answer.json()) as { data?: Data; error?: string };
    return { status: answer.status, words: parsed.error ?? '', data: parsed.data ?? assertNothing(answer.status) };
  };
  const stages = async () => {
    const answer = await fetch(`${adminOrigin}/admin/api/keys`, { headers: bearer(adminToken) });
    const { data } = (await answer.json()) as { data: { keys: { id: string; stage: string | null }[] } };
    return Object.fromEntries(data.keys.map(({ id, stage }) => [id, stage]));
  };
  const events = async () =>
    (await stack.store.events.list('events', { limit: 100 })).map(({ text }) => {
      const content = contentOf(text);
      return [content?.type, content?.subject, content?.reason];
    });
  return { adminOrigin, stack, order, stages, events, ...rest };
}

function assertNothing(status: number): Data {
  assert.ok(status >= 400, `answered ${status} without data`);
  return {} as Data;
}

const use = { caller: 'service:aidb', clientAddress: '10.0.0.7', count: 1 };

test('a key is replaced in two steps: the old one gets its end only when its caller has the new one', async (t) => {
  const { stack, order, stages, events } = await place(t);
  const old = (await order('POST', '/keys', { service: 'aidb', expires_in_days: 90, reason: 'new caller' })).data;
  const time = stack.clock() - 3700;
  await stack.store.usage.add([{ ...use, credentialId: old.id, firstUsed: time, lastUsed: time }]);
  const made = await order('POST', `/keys/${old.id}/rotate`, { reason: 'yearly' });
  assert.equal(made.status, 201, made.words);
  const { data: next } = made;
  assert.match(next.key, new RegExp(`^cs_sk_${next.id}_`));
  assert.deepEqual(await stages(), { [old.id]: 'current', [next.id]: 'pending' });
  assert.deepEqual(
    [next.replaces.id, next.replaces.expires_at],
    [old.id, old.expires_at],
    'nothing has changed for it',
  );
  assert.deepEqual(Object.entries(next.replaces.last_used ?? {}).slice(1), [
    ['by', 'service:aidb'],
    ['from', '10.0.0.7'],
  ]);

  const second = await order('POST', `/keys/${old.id}/rotate`, {});
  assert.equal(second.status, 400);
  assert.match(second.words, new RegExp(`is being replaced since .*: the new one is ${next.id}`));
  const early = await order('POST', `/keys/${old.id}/retire`, {});
  assert.match(early.words, /is the current one of aidb, and nothing replaces it/);

  const finished = await order('POST', `/keys/${next.id}/finish`, { grace_hours: 48, reason: 'aidb reads it' });
  assert.equal(finished.status, 200, finished.words);
  assert.deepEqual(await stages(), { [old.id]: 'previous', [next.id]: 'current' });
  const hours = (Date.parse(finished.data.replaces.expires_at ?? '') / 1000 - stack.clock()) / 3600;
  assert.ok(hours > 47.9 && hours <= 48);

  const used = await order('POST', `/keys/${old.id}/retire`, { unused_hours: 2 });
  assert.equal(used.status, 400);
  assert.match(used.words, /was last used 1 h ago by aidb from 10\.0\.0\.7$/);
  const forced = await order('POST', `/keys/${old.id}/retire`, { force: true, reason: 'leaked' });
  assert.equal(forced.status, 200);
  assert.ok(forced.data.revoked_at);
  for (const _ of [1, 2]) {
    assert.equal((await order('POST', `/keys/${old.id}/retire`, {})).status, 200);
    assert.equal((await order('DELETE', `/keys/${old.id}`)).status, 200);
  }
  assert.equal((await order('DELETE', `/keys/${next.id}`, { reason: 'closing down' })).status, 200);
  assert.deepEqual(await events(), [
    ['key.created', old.id, 'new caller'],
    ['key.rotation_begun', next.id, 'yearly'],
    ['key.rotated', next.id, 'aidb reads it'],
    ['key.retired', old.id, 'leaked'],
    ['key.revoked', next.id, 'closing down'],
  ]);
});

test('a new key that was lost is replaced by another; one that is in use was not lost', async (t) => {
  const { stack, order, stages } = await place(t);
  const old = (await order('POST', '/keys', { service: 'aidb', kind: 'ed25519' })).data;
  assert.match(old.key, /^-----BEGIN PRIVATE KEY-----/);
  const lost = (await order('POST', `/keys/${old.id}/rotate`, {})).data;
  const next = (await order('POST', `/keys/${old.id}/rotate`, { anew: true, expires_in_days: 1 })).data;
  assert.equal(next.replaces.id, lost.id);
  assert.deepEqual(await stages(), { [old.id]: 'previous', [lost.id]: 'current', [next.id]: 'pending' });
  const now = stack.clock();
  await stack.store.usage.add([{ ...use, credentialId: next.id, firstUsed: now, lastUsed: now }]);
  assert.match((await order('POST', `/keys/${lost.id}/rotate`, { anew: true })).words, /is in use already/);
  assert.equal((await order('POST', `/keys/${lost.id}/finish`, { grace_hours: 0 })).status, 200);
  assert.deepEqual(await stages(), { [old.id]: null, [lost.id]: null, [next.id]: 'current' });
  assert.equal((await order('POST', `/keys/${next.id}/finish`, {})).status, 404, 'there is none to finish');
});

test('keys that are not there, and bodies that say nothing sensible, change nothing', async (t) => {
  const { order, stages } = await place(t);
  const { id } = (await order('POST', '/keys', { service: 'aidb' })).data;
  for (const [method, path] of [
    ['POST', '/keys/aidb/rotate'],
    ['POST', '/keys/aaaaaaaaaa/rotate'],
    ['POST', '/keys/aaaaaaaaaa/finish'],
    ['POST', '/keys/aaaaaaaaaa/retire'],
    ['DELETE', '/keys/aaaaaaaaaa'],
    ['DELETE', `/keys/${'a'.repeat(64)}`],
    ['POST', `/keys/${id}/finish`],
  ] as const)
    assert.equal((await order(method, path, {})).status, 404, `${method} ${path}`);
  for (const [path, body] of [
    ['rotate', { anew: 'yes' }],
    ['rotate', { expires_in_days: -1 }],
    ['finish', { grace_hours: -1 }],
    ['retire', { unused_hours: 'never' }],
    ['retire', { forced: true }],
    ['retire', { reason: 'x'.repeat(501) }],
  ] as const)
    assert.equal((await order('POST', `/keys/${id}/${path}`, body)).status, 400, JSON.stringify(body));
  assert.deepEqual(await stages(), { [id]: 'current' });
});

test('a viewer orders nothing, and a new key asks for a password of the last five minutes', async (t) => {
  const { adminOrigin, stack, order, stages, advance } = await place(t);
  const { id } = (await order('POST', '/keys', { service: 'aidb' })).data;
  const viewer = await loggedIn(stack, adminOrigin, 'vera', 'viewer');
  const operator = await loggedIn(stack, adminOrigin, 'ana');
  for (const path of ['rotate', 'finish', 'retire'])
    assert.equal((await viewer.ask('POST', `/keys/${id}/${path}`, {})).status, 403, path);
  advance(301);
  const stale = await operator.ask('POST', `/keys/${id}/rotate`, {});
  assert.deepEqual([stale.status, stale.body.confirm], [403, true]);
  assert.equal((await operator.ask('POST', `/keys/${id}/retire`, { force: true })).status, 200, 'ending needs no more');
  assert.deepEqual(await stages(), { [id]: null });
});
