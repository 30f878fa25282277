import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import type { KeyRecord } from '../core/credential.ts';
import { hasCode, type Store } from '../core/store.ts';
import { t0, keyRecord, coded, type ContractGround } from './store.fixtures.ts';

export function keysContract({ under, remote }: ContractGround): void {
  describe('keys', () => {
    let store: Store;
    beforeEach(() => {
      ({ store } = under());
    });

    test('are found by id and by digest as they were inserted', async () => {
      const full = keyRecord('full', {
        kind: 'hs',
        material: 'v1.sealed',
        imported: true,
        scopes: ['embed:write', 'ä"\'\u{1f511}'],
        allowedIps: ['10.0.0.0/8'],
        createdAt: t0 + 0.25,
        expiresAt: t0 + 90.5,
        replaces: 'older',
        pending: true,
      });
      await store.keys.insert(full);
      await store.keys.insert(keyRecord('bare'));
      assert.deepEqual(await store.keys.get('full'), full);
      assert.deepEqual(await store.keys.byDigest(full.digest), full);
      assert.deepEqual(await store.keys.get('bare'), keyRecord('bare'));
      assert.equal(await store.keys.get('none'), null);
      assert.equal(await store.keys.byDigest('none'), null);
    });

    test('refuse a taken id and a digest stored already, and keep what was there', async () => {
      await store.keys.insert(keyRecord('a'));
      await assert.rejects(store.keys.insert(keyRecord('a', { digest: 'other' })), coded('duplicate'));
      await assert.rejects(store.keys.insert(keyRecord('b', { digest: keyRecord('a').digest })), coded('duplicate'));
      assert.deepEqual(await store.keys.list(), [keyRecord('a')]);
    });

    test('let exactly one of 50 concurrent inserts of one id through', async () => {
      const results = await Promise.allSettled(
        Array.from({ length: 50 }, (_, index) => store.keys.insert(keyRecord('a', { digest: `digest-${index}` }))),
      );
      assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
      for (const result of results) if (result.status === 'rejected') assert.ok(hasCode(result.reason, 'duplicate'));
    });

    test('are listed oldest first, the revoked and the expired too', async () => {
      await store.keys.insert(keyRecord('young', { createdAt: t0 + 2 }));
      await store.keys.insert(keyRecord('old', { createdAt: t0, expiresAt: t0 + 1 }));
      await store.keys.insert(keyRecord('middle', { createdAt: t0 + 1 }));
      await store.keys.revoke('middle', t0 + 5);
      assert.deepEqual(
        (await store.keys.list()).map(({ id }) => id),
        ['old', 'middle', 'young'],
      );
    });

    test('come in pages too, each once, however many there are', async () => {
      const records = Array.from({ length: remote ? 120 : 1100 }, (_, number) => keyRecord(`key-${number}`));
      for (let at = 0; at < records.length; at += 300)
        await Promise.all(records.slice(at, at + 300).map((record) => store.keys.insert(record)));
      const read: KeyRecord[] = [];
      for await (const page of store.keys.pages()) {
        assert.ok(page.length <= 1000);
        read.push(...page);
      }
      const byId = (a: KeyRecord, b: KeyRecord): number => (a.id < b.id ? -1 : 1);
      assert.deepEqual(read.sort(byId), records.toSorted(byId));
    });

    test('are revoked together with their digest, and the first time stays', async () => {
      const record = keyRecord('a');
      await store.keys.insert(record);
      assert.deepEqual(await store.keys.revoke('a', t0 + 10), { ...record, revokedAt: t0 + 10 });
      assert.deepEqual(await store.keys.revoke('a', t0 + 20), { ...record, revokedAt: t0 + 10 });
      assert.deepEqual(await store.keys.byDigest(record.digest), { ...record, revokedAt: t0 + 10 });
      assert.deepEqual(await store.keys.revocations(), [record.digest]);
      await assert.rejects(store.keys.insert(keyRecord('b', { digest: record.digest })), coded('duplicate'));
    });

    test('that do not exist are not revoked', async () => {
      assert.equal(await store.keys.revoke('none', t0), null);
      assert.deepEqual(await store.keys.revocations(), []);
    });

    test('of no record are revoked by digest, once or many times', async () => {
      await store.keys.revokeDigest('from-a-file', t0);
      await store.keys.revokeDigest('from-a-file', t0 + 1);
      assert.deepEqual(await store.keys.revocations(), ['from-a-file']);
      assert.deepEqual(await store.keys.list(), []);
    });

    test('let one key at a time wait to take the place of another, whoever else tries', async () => {
      await store.keys.insert(keyRecord('old'));
      const successor = (id: string) => keyRecord(id, { replaces: 'old', pending: true });
      const results = await Promise.allSettled(
        Array.from({ length: 20 }, (_, index) => store.keys.insert(successor(`new-${index}`))),
      );
      assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
      for (const result of results) if (result.status === 'rejected') assert.ok(hasCode(result.reason, 'duplicate'));
      const [first] = (await store.keys.list()).filter(({ pending }) => pending);
      await store.keys.insert(keyRecord('other', { replaces: 'elsewhere', pending: true }));
      await store.keys.revoke(first?.id ?? '', t0);
      await store.keys.insert(successor('second'));
      await assert.rejects(store.keys.insert(successor('third')), coded('duplicate'));
      await store.keys.promote('second', null);
      await store.keys.insert(successor('fourth'));
    });

    test('that wait become current once, and end the key before them together with that', async () => {
      await store.keys.insert(keyRecord('old'));
      await store.keys.insert(keyRecord('new', { replaces: 'old', pending: true, expiresAt: t0 + 1000.5 }));
      const current = keyRecord('new', { replaces: 'old', expiresAt: t0 + 1000.5 });
      assert.deepEqual(await store.keys.promote('new', t0 + 60.25), current);
      assert.deepEqual(await store.keys.get('new'), current);
      assert.deepEqual(await store.keys.get('old'), keyRecord('old', { expiresAt: t0 + 60.25 }));
      assert.deepEqual(await store.keys.promote('new', t0 + 10), current, 'it was done before');
      assert.deepEqual(await store.keys.list(), [current, keyRecord('old', { expiresAt: t0 + 60.25 })]);
      assert.equal(await store.keys.promote('none', t0), null);
    });

    test('are never given more time by their successor, and none where none is named', async () => {
      await store.keys.insert(keyRecord('soon', { expiresAt: t0 + 5 }));
      await store.keys.insert(keyRecord('b', { replaces: 'soon', pending: true }));
      await store.keys.promote('b', t0 + 60);
      assert.equal((await store.keys.get('soon'))?.expiresAt, t0 + 5);
      await store.keys.insert(keyRecord('c', { replaces: 'b', pending: true }));
      await store.keys.promote('c', null);
      assert.equal((await store.keys.get('b'))?.expiresAt, null);
    });

    test('that were revoked stay as they are, whatever becomes of their successors', async () => {
      await store.keys.insert(keyRecord('old'));
      await store.keys.insert(keyRecord('new', { replaces: 'old', pending: true }));
      await store.keys.revoke('old', t0);
      await store.keys.promote('new', t0 + 60);
      assert.deepEqual(await store.keys.get('old'), keyRecord('old', { revokedAt: t0 }));
      await store.keys.insert(keyRecord('lost', { replaces: 'new', pending: true }));
      await store.keys.revoke('lost', t0 + 1);
      const lost = keyRecord('lost', { replaces: 'new', pending: true, revokedAt: t0 + 1 });
      assert.deepEqual(await store.keys.promote('lost', t0 + 60), lost);
      assert.equal((await store.keys.get('new'))?.expiresAt, null);
    });

    test('are given an end, another one, and none, but not when they are revoked', async () => {
      await store.keys.insert(keyRecord('a', { scopes: ['a'], createdAt: t0 + 0.125 }));
      const a = keyRecord('a', { scopes: ['a'], createdAt: t0 + 0.125 });
      for (const expiresAt of [t0 + 60.5, t0 + 10, null, t0 + 120]) {
        assert.deepEqual(await store.keys.setExpiry('a', expiresAt), { ...a, expiresAt });
        assert.deepEqual(await store.keys.byDigest(a.digest), { ...a, expiresAt });
      }
      for (const later of [t0 + 121, t0 + 120, null]) await store.keys.setExpiry('a', later, 'sooner');
      assert.equal((await store.keys.get('a'))?.expiresAt, t0 + 120);
      assert.equal((await store.keys.setExpiry('a', t0 + 119.5, 'sooner'))?.expiresAt, t0 + 119.5);
      await store.keys.setExpiry('a', null);
      assert.equal((await store.keys.setExpiry('a', t0 + 120, 'sooner'))?.expiresAt, t0 + 120);
      await store.keys.revoke('a', t0 + 5);
      const dead = { ...a, expiresAt: t0 + 120, revokedAt: t0 + 5 };
      assert.deepEqual(await store.keys.setExpiry('a', t0 + 999), dead);
      assert.deepEqual(await store.keys.list(), [dead]);
      assert.equal(await store.keys.setExpiry('none', t0), null);
    });

    test('that are given out or taken in are copies', async () => {
      const scopes = ['a'];
      await store.keys.insert(keyRecord('a', { scopes }));
      scopes.push('admin:tokens');
      const given = await store.keys.get('a');
      (given?.scopes as string[] | undefined)?.push('admin:tokens');
      assert.deepEqual((await store.keys.get('a'))?.scopes, ['a']);
    });
  });
}
