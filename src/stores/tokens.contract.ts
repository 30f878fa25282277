import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import type { Store } from '../core/store.ts';
import { t0, tokenRecord, coded, type ContractGround } from './store.fixtures.ts';

export function tokensContract({ under }: ContractGround): void {
  describe('tokens', () => {
    let store: Store;
    beforeEach(() => {
      ({ store } = under());
    });

    test('are found by id and by hash as they were inserted', async () => {
      const full = tokenRecord(1, {
        createdAt: t0 + 0.125,
        expiresAt: t0 + 3600.5,
        scopes: ['a', 'b'],
        allowedIps: ['::1/128'],
        clientId: 'client-1',
        metadata: { purpose: 'ci', nested: { list: [1, null, 'ü'] } },
        createdBy: 'operator:admin',
      });
      await store.tokens.insert(full);
      await store.tokens.insert(tokenRecord(2));
      assert.deepEqual(await store.tokens.get(full.tokenId), full);
      assert.deepEqual(await store.tokens.byHash(full.tokenHash), full);
      assert.deepEqual(await store.tokens.get(tokenRecord(2).tokenId), tokenRecord(2));
      assert.equal(await store.tokens.get('none'), null);
      assert.equal(await store.tokens.byHash('none'), null);
    });

    test('refuse a taken id and a taken hash', async () => {
      await store.tokens.insert(tokenRecord(1));
      await assert.rejects(store.tokens.insert(tokenRecord(1, { tokenHash: 'other' })), coded('duplicate'));
      const sameHash = tokenRecord(2, { tokenHash: tokenRecord(1).tokenHash });
      await assert.rejects(store.tokens.insert(sameHash), coded('duplicate'));
      assert.equal(await store.tokens.get(sameHash.tokenId), null);
    });

    test('are listed newest first while active, at most as many as asked for', async () => {
      for (let number = 1; number <= 6; number += 1)
        await store.tokens.insert(tokenRecord(number, { createdAt: t0 + number }));
      await store.tokens.insert(tokenRecord(7, { createdAt: t0 + 7, expiresAt: t0 + 100 }));
      await store.tokens.insert(tokenRecord(8, { createdAt: t0 + 8, expiresAt: t0 + 100.5 }));
      await store.tokens.revoke(tokenRecord(5).tokenId, t0 + 50);
      const active = await store.tokens.listActive(t0 + 100, 4);
      assert.deepEqual(
        active.map(({ tokenId }) => tokenId),
        [8, 6, 4, 3].map((number) => tokenRecord(number).tokenId),
      );
      assert.deepEqual(await store.tokens.listActive(t0 + 100, 0), []);
      assert.equal((await store.tokens.listActive(t0 + 1_000_000, 10)).length, 0);
    });

    test('are revoked once, and the first time stays', async () => {
      const record = tokenRecord(1);
      await store.tokens.insert(record);
      assert.deepEqual(await store.tokens.revoke(record.tokenId, t0 + 10), { ...record, revokedAt: t0 + 10 });
      assert.deepEqual(await store.tokens.revoke(record.tokenId, t0 + 20), { ...record, revokedAt: t0 + 10 });
      assert.deepEqual(await store.tokens.byHash(record.tokenHash), { ...record, revokedAt: t0 + 10 });
      assert.equal(await store.tokens.revoke('none', t0), null);
    });

    test('are deleted once they expired before the given time, and their id and hash are free again', async () => {
      await store.tokens.insert(tokenRecord(1, { expiresAt: t0 + 10 }));
      await store.tokens.insert(tokenRecord(2, { expiresAt: t0 + 20 }));
      assert.equal(await store.tokens.deleteExpired(t0 + 20), 1);
      assert.equal(await store.tokens.deleteExpired(t0 + 20), 0);
      assert.equal(await store.tokens.get(tokenRecord(1).tokenId), null);
      assert.deepEqual(await store.tokens.get(tokenRecord(2).tokenId), tokenRecord(2, { expiresAt: t0 + 20 }));
      await store.tokens.insert(tokenRecord(1));
    });
  });
}
