import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { KeyRecord, KeyUse, TokenRecord } from '../core/credential.ts';
import { lease, type Lease } from '../core/lease.ts';
import { chainStart, type EventRow } from '../core/event.ts';
import type { RecordEntry } from '../core/record.ts';
import { OTHERS } from '../core/rollup.ts';
import {
  hasCode,
  usesKeptMax,
  type Change,
  type DecisionFilter,
  type DecisionRow,
  type ModeRow,
  type Store,
} from '../core/store.ts';

/** One store of its own for each test. */
export interface StoreUnderTest {
  readonly store: Store;
  /** Another instance on the same state, as another process has it. Asked for only where state is shared. */
  another(): Store;
  /** Closes what `another` opened and removes what was made; the suite closes the store itself. */
  dispose(): Promise<void>;
}

export interface ContractOptions {
  readonly make: () => Promise<StoreUnderTest>;
  /** Whether several processes can share its state; false for memory alone. */
  readonly shared: boolean;
  /** Each verb is a request to somebody else's server: where thousands are made, some hundreds are enough. */
  readonly remote?: boolean;
}

/** Time is handed to every verb, so the suite moves it by itself. */
const t0 = 1_800_000_000;

/** The specification of a store (core/store.ts), to be run against each. */
export function storeContract(name: string, { make, shared, remote = false }: ContractOptions): void {
  describe(`${name} keeps the store contract`, () => {
    let made: StoreUnderTest;
    let store: Store;
    // Not skipped but absent: there is nothing that could be installed to make it run.
    const sharing = shared ? test : () => {};

    beforeEach(async () => {
      made = await make();
      store = made.store;
      await store.migrate();
    });
    afterEach(async () => {
      await store.close();
      await made.dispose();
    });

    describe('keys', () => {
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

    describe('tokens', () => {
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

    describe('modes', () => {
      test('are set and set anew', async () => {
        await store.modes.set(row('', 'report'));
        await store.modes.set(row('embeddings/embed', 'off'));
        await store.modes.set(row('', 'enforce', t0 + 1));
        assert.deepEqual(
          (await store.modes.list()).find(({ scope }) => scope === ''),
          row('', 'enforce', t0 + 1),
        );
        assert.deepEqual(scopesOf(await store.modes.list()), ['=enforce', 'embeddings/embed=off']);
      });

      test('set for all replace every row', async () => {
        await store.modes.set(row('', 'enforce'));
        await store.modes.set(row('embeddings', 'enforce'));
        await store.modes.setAll(row('', 'report', t0 + 1));
        assert.deepEqual(await store.modes.list(), [row('*', 'report', t0 + 1)]);
      });

      test('are cleared for one scope, for all, and of one mode only', async () => {
        const fill = async () => {
          await store.modes.clear(null);
          await store.modes.set(row('', 'enforce'));
          await store.modes.set(row('a', 'enforce'));
          await store.modes.set(row('b', 'report'));
        };
        await fill();
        await store.modes.clear('a');
        assert.deepEqual(scopesOf(await store.modes.list()), ['=enforce', 'b=report']);
        await store.modes.clear('b', 'enforce');
        assert.deepEqual(scopesOf(await store.modes.list()), ['=enforce', 'b=report']);
        await store.modes.clear('');
        assert.deepEqual(scopesOf(await store.modes.list()), ['b=report']);
        await fill();
        await store.modes.clear(null, 'enforce');
        assert.deepEqual(scopesOf(await store.modes.list()), ['b=report']);
        await store.modes.clear(null);
        assert.deepEqual(scopesOf(await store.modes.list()), []);
      });
    });

    describe('limits', () => {
      test('let exactly as many of 200 concurrent callers through as there is room for', async () => {
        const states = await Promise.all(Array.from({ length: 200 }, () => store.limits.take('k', 7, 60, t0)));
        const allowed = states.filter((state) => state.allowed);
        assert.deepEqual(allowed.map(({ count }) => count).sort(), [1, 2, 3, 4, 5, 6, 7]);
        for (const state of states) assert.equal(state.retryAfter, 60);
        for (const state of states) if (!state.allowed) assert.equal(state.count, 7);
      });

      test('start a new window when the first has ended, not before', async () => {
        await store.limits.take('k', 1, 60, t0);
        assert.deepEqual(await store.limits.take('k', 1, 60, t0 + 59), { allowed: false, count: 1, retryAfter: 1 });
        assert.deepEqual(await store.limits.take('k', 1, 60, t0 + 60), { allowed: true, count: 1, retryAfter: 60 });
        assert.deepEqual(await store.limits.take('k', 1, 60, t0 + 90), { allowed: false, count: 1, retryAfter: 30 });
      });

      test('do not lengthen the window by refused attempts', async () => {
        for (let second = 0; second < 60; second += 1) await store.limits.take('k', 2, 60, t0 + second);
        assert.equal((await store.limits.take('k', 2, 60, t0 + 60)).allowed, true);
      });

      test('of different keys are apart, and a limit of none lets none through', async () => {
        await store.limits.take('a', 1, 60, t0);
        assert.equal((await store.limits.take('b', 1, 60, t0)).allowed, true);
        assert.equal((await store.limits.take('c', 0, 60, t0)).allowed, false);
      });

      test('are looked at without taking', async () => {
        assert.deepEqual(await store.limits.peek('k', 2, t0), { allowed: true, count: 0, retryAfter: 0 });
        await store.limits.take('k', 2, 60, t0);
        assert.deepEqual(await store.limits.peek('k', 2, t0 + 10), { allowed: true, count: 1, retryAfter: 50 });
        assert.deepEqual(await store.limits.peek('k', 2, t0 + 10), { allowed: true, count: 1, retryAfter: 50 });
        await store.limits.take('k', 2, 60, t0 + 10);
        assert.deepEqual(await store.limits.peek('k', 2, t0 + 10), { allowed: false, count: 2, retryAfter: 50 });
        assert.deepEqual(await store.limits.peek('k', 2, t0 + 60), { allowed: true, count: 0, retryAfter: 0 });
      });

      test('follow a limit that was changed within a window', async () => {
        for (let use = 0; use < 3; use += 1) await store.limits.take('k', 3, 60, t0);
        assert.deepEqual(await store.limits.take('k', 2, 60, t0), { allowed: false, count: 2, retryAfter: 60 });
        assert.deepEqual(await store.limits.take('k', 4, 60, t0), { allowed: true, count: 4, retryAfter: 60 });
      });
    });

    describe('one-time values', () => {
      test('are granted to exactly one of 200 concurrent callers', async () => {
        const results = await Promise.all(Array.from({ length: 200 }, () => store.limits.once('nonce', t0 + 60, t0)));
        assert.equal(results.filter(Boolean).length, 1);
      });

      test('are refused until they expire, and free again after', async () => {
        assert.equal(await store.limits.once('nonce', t0 + 60, t0), true);
        assert.equal(await store.limits.once('other', t0 + 60, t0), true);
        assert.equal(await store.limits.once('nonce', t0 + 600, t0 + 59), false);
        assert.equal(await store.limits.once('nonce', t0 + 120, t0 + 60), true);
        assert.equal(await store.limits.once('nonce', t0 + 180, t0 + 119), false);
      });

      test('stay refused while thousands of others come and expire', async () => {
        assert.equal(await store.limits.once('nonce', t0 + 10_000, t0), true);
        const others = remote ? 200 : 1500;
        for (let first = 0; first < others; first += 50)
          await Promise.all(
            Array.from({ length: 50 }, async (_, index) => {
              const number = first + index;
              await store.limits.once(`other-${number}`, t0 + number + 1, t0 + number);
              await store.limits.take(`key-${number}`, 1, 1, t0 + number);
            }),
          );
        assert.equal(await store.limits.once('nonce', t0 + 10_000, t0 + others), false);
      });
    });

    describe('decisions', () => {
      test('are kept as they are and numbered upwards', async () => {
        const rows = [decisionRow(1, { skewSeconds: -1.5, durationMicros: 12.5, note: 'ü' }), decisionRow(2)];
        await store.decisions.append(rows);
        await store.decisions.append([]);
        const listed = await store.decisions.list({ limit: 10 });
        assert.deepEqual(
          listed,
          rows.map((kept, index) => ({ ...kept, sequence: listed[index]?.sequence })),
        );
        assert.ok((listed[0]?.sequence ?? 0) < (listed[1]?.sequence ?? 0));
      });

      test('are listed oldest first: the newest ones, or those behind a number', async () => {
        await store.decisions.append(Array.from({ length: 9 }, (_, index) => decisionRow(index + 1)));
        assert.deepEqual(requestsOf(await store.decisions.list({ limit: 3 })), ['r7', 'r8', 'r9']);
        assert.deepEqual(requestsOf(await store.decisions.list({ limit: 0 })), []);
        const first = await store.decisions.list({ after: 0, limit: 2 });
        assert.deepEqual(
          first.map(({ requestId }) => requestId),
          ['r1', 'r2'],
        );
        assert.deepEqual(requestsOf(await store.decisions.list({ after: first[1]?.sequence ?? 0, limit: 3 })), [
          'r3',
          'r4',
          'r5',
        ]);
        assert.deepEqual(requestsOf(await store.decisions.list({ after: -Infinity, limit: 2 })), ['r1', 'r2']);
        const filtered = await store.decisions.list({
          after: -Infinity,
          since: t0 + 3,
          service: 'embeddings',
          limit: 1,
        });
        assert.deepEqual(requestsOf(filtered), ['r3']);
      });

      test('that arrive late are among the newest only if their time is', async () => {
        await store.decisions.append([decisionRow(5), decisionRow(9)]);
        await store.decisions.append([decisionRow(3), decisionRow(8)]);
        assert.deepEqual(requestsOf(await store.decisions.list({ limit: 3 })), ['r5', 'r9', 'r8']);
      });

      test('are filtered by time (both ends included), outcome, service, route, reason and caller', async () => {
        await store.decisions.append([
          decisionRow(1, { outcome: 'deny', principal: '', claimed: 'service:aidb' }),
          decisionRow(2, { service: 'search', route: '/other' }),
          decisionRow(3, { principal: 'service:aidb', reason: 'expired' }),
          decisionRow(4, { principal: '' }),
        ]);
        assert.deepEqual(requestsOf(await store.decisions.list({ since: t0 + 2, until: t0 + 3, limit: 100 })), [
          'r2',
          'r3',
        ]);
        assert.deepEqual(requestsOf(await store.decisions.list({ outcome: 'deny', limit: 100 })), ['r1']);
        assert.deepEqual(requestsOf(await store.decisions.list({ service: 'search', limit: 100 })), ['r2']);
        assert.deepEqual(requestsOf(await store.decisions.list({ route: '/other', limit: 100 })), ['r2']);
        assert.deepEqual(requestsOf(await store.decisions.list({ reason: 'expired', after: 0, limit: 100 })), ['r3']);
        assert.deepEqual(requestsOf(await store.decisions.list({ caller: 'service:aidb', limit: 100 })), ['r3']);
        assert.deepEqual(requestsOf(await store.decisions.list({ caller: 'service:aidb?', limit: 100 })), ['r1']);
        assert.deepEqual(requestsOf(await store.decisions.list({ caller: '', limit: 100 })), ['r4']);
        assert.deepEqual(
          requestsOf(await store.decisions.list({ service: 'embeddings', outcome: 'allow', after: 0, limit: 1 })),
          ['r3'],
        );
      });

      test('of one request are found however many others there are, and however many are of one moment', async () => {
        const others = (count: number, at: number): DecisionRow[] =>
          Array.from({ length: remote ? Math.ceil(count / 4) : count }, () => decisionRow(at, { requestId: 'other' }));
        const wanted = (number: number, details: Partial<DecisionRow> = {}): DecisionRow =>
          decisionRow(number, { requestId: 'wanted', ...details });
        await store.decisions.append([wanted(1), ...others(6000, 2), wanted(2, { service: 'search' })]);
        await store.decisions.append([...others(6000, 3), wanted(9), wanted(4), ...others(200, 10)]);
        const timesOf = async (filter: Omit<DecisionFilter, 'limit'>, limit = 100): Promise<number[]> =>
          (await store.decisions.list({ requestId: 'wanted', limit, ...filter })).map(({ time }) => time - t0);
        assert.deepEqual(await timesOf({}), [1, 2, 9, 4]);
        assert.deepEqual(await timesOf({}, 2), [9, 4]);
        assert.deepEqual(await timesOf({}, 0), []);
        assert.deepEqual(await timesOf({ since: t0 + 2, until: t0 + 4 }), [2, 4]);
        assert.deepEqual(await timesOf({ service: 'search' }), [2]);
        assert.deepEqual(await timesOf({ requestId: 'unknown' }), []);
        assert.deepEqual(await timesOf({ after: 0 }), [1, 2, 9, 4]);
        assert.deepEqual(await timesOf({ after: 0 }, 1), [1]);
        const [first] = await store.decisions.list({ after: 0, limit: 1 });
        assert.deepEqual(await timesOf({ after: first?.sequence ?? 0 }, 2), [2, 9]);
      });

      test('are grouped by who did what, the most frequent first', async () => {
        await store.decisions.append([
          decisionRow(1, { outcome: 'would_deny', reason: 'expired', principal: '', claimed: 'service:aidb' }),
          decisionRow(2, { outcome: 'would_deny', reason: 'expired', principal: '', claimed: 'service:aidb' }),
          decisionRow(3, { outcome: 'would_deny', reason: 'expired', principal: '', claimed: '' }),
          decisionRow(4),
          decisionRow(5),
          decisionRow(6),
          decisionRow(7),
        ]);
        const common = { service: 'embeddings', route: '/embed', mode: 'report', clientAddress: '10.0.0.7' } as const;
        assert.deepEqual(await store.decisions.groups(t0 + 1, t0 + 6), [
          {
            ...common,
            outcome: 'allow',
            reason: '',
            caller: 'service:web',
            count: 3,
            firstSeen: t0 + 4,
            lastSeen: t0 + 6,
            requestId: 'r6',
          },
          {
            ...common,
            outcome: 'would_deny',
            reason: 'expired',
            caller: 'service:aidb?',
            count: 2,
            firstSeen: t0 + 1,
            lastSeen: t0 + 2,
            requestId: 'r2',
          },
          {
            ...common,
            outcome: 'would_deny',
            reason: 'expired',
            caller: '',
            count: 1,
            firstSeen: t0 + 3,
            lastSeen: t0 + 3,
            requestId: 'r3',
          },
        ]);
        assert.deepEqual(await store.decisions.groups(t0 + 100, t0 + 200), []);
      });

      test('are grouped for one credential alone', async () => {
        await store.decisions.append([
          decisionRow(1),
          decisionRow(2, { credentialId: 'other' }),
          decisionRow(3, { route: '/search' }),
          decisionRow(4),
        ]);
        const groups = await store.decisions.groups(t0, t0 + 100, 'abc');
        assert.deepEqual(
          groups.map(({ route, count, firstSeen, lastSeen }) => [route, count, firstSeen - t0, lastSeen - t0]),
          [
            ['/embed', 2, 1, 4],
            ['/search', 1, 3, 3],
          ],
        );
        assert.deepEqual(await store.decisions.groups(t0, t0 + 100, ''), []);
      });

      test('of strangers who were refused hold at most half when pruned, so that no flood of them pushes out the others', async () => {
        const stranger = { outcome: 'deny', reason: 'missing_credentials', principal: '' } as const;
        const known: [number, Partial<DecisionRow>][] = [
          [1, {}],
          [2, { outcome: 'deny', reason: 'not_allowed' }],
          [3, { outcome: 'public', principal: '' }],
          [4, { outcome: 'would_deny', reason: 'expired' }],
        ];
        await store.decisions.append(known.map(([number, details]) => decisionRow(number, details)));
        const flood = Array.from({ length: 1500 }, (_, index) =>
          decisionRow(index + 5, {
            ...stranger,
            outcome: index % 2 === 0 ? 'deny' : 'would_deny',
            claimed: index % 3 === 0 ? 'service:aidb' : '',
          }),
        );
        await store.decisions.append(flood);
        assert.equal(await store.decisions.prune(t0, 10), 1495);
        const strangers = ['r1500', 'r1501', 'r1502', 'r1503', 'r1504'];
        assert.deepEqual(requestsOf(await store.decisions.list({ limit: 100 })), [
          'r1',
          'r2',
          'r3',
          'r4',
          ...strangers,
        ]);
        // Where there is still too much, the oldest go, whoever they are of.
        await store.decisions.append(
          Array.from({ length: 4 }, (_, index) => decisionRow(1505 + index)).concat(decisionRow(1509, stranger)),
        );
        assert.equal(await store.decisions.prune(t0, 9), 5);
        assert.deepEqual(requestsOf(await store.decisions.list({ limit: 100 })), [
          'r4',
          'r1502',
          'r1503',
          'r1504',
          'r1505',
          'r1506',
          'r1507',
          'r1508',
          'r1509',
        ]);
      });

      test('are pruned by age and by number, and numbers are never given out twice', async () => {
        await store.decisions.append(Array.from({ length: 2500 }, (_, index) => decisionRow(index + 1)));
        const last = (await store.decisions.list({ limit: 1 }))[0]?.sequence ?? 0;
        assert.equal(await store.decisions.prune(t0 + 1201, 10_000), 1200);
        assert.equal(await store.decisions.prune(t0, 100), 1200);
        assert.equal(requestsOf(await store.decisions.list({ limit: 1000 })).length, 100);
        assert.deepEqual(requestsOf(await store.decisions.list({ limit: 100 })).slice(0, 1), ['r2401']);
        assert.equal(await store.decisions.prune(t0, 0), 100);
        await store.decisions.append([decisionRow(1)]);
        assert.ok(((await store.decisions.list({ limit: 1 }))[0]?.sequence ?? 0) > last);
      });
    });

    describe('roll-ups of decisions', () => {
      const minuteOf = (number: number): number => Math.floor((t0 + number) / 60) * 60;

      test('leave out what operators asked, which is kept', async () => {
        const asked = {
          outcome: 'deny',
          reason: 'invalid_signature',
          skewSeconds: 40,
          requestId: 'probe:one',
        } as const;
        await store.decisions.append([decisionRow(1, asked), decisionRow(2, { ...asked, requestId: 'probe-one' })]);
        const { groups, measures } = await store.decisions.rollups(t0, t0 + 60);
        assert.deepEqual(
          groups.map(({ count, requestId }) => [count, requestId]),
          [[1, 'probe-one']],
        );
        assert.ok(measures.every(({ count }) => count === 1));
        const rows = await store.decisions.list({ limit: 10 });
        assert.deepEqual(
          rows.map(({ requestId }) => requestId),
          ['probe:one', 'probe-one'],
        );
      });

      test('count what happened by the minute: first, last, how often, and the last request', async () => {
        const refused = { outcome: 'would_deny', reason: 'expired', principal: '', claimed: 'service:aidb' } as const;
        await store.decisions.append([decisionRow(5), decisionRow(2), decisionRow(61, refused)]);
        await store.decisions.append([decisionRow(3), decisionRow(62, refused)]);
        await store.decisions.append([]);
        const { since, until, groups } = await store.decisions.rollups(t0 + 1, t0 + 100);
        assert.deepEqual([since, until], [t0, t0 + 120]);
        const common = { bucketSeconds: 60, service: 'embeddings', route: '/embed', mode: 'report' } as const;
        const sorted = groups.toSorted((a, b) => a.start - b.start);
        assert.deepEqual(sorted, [
          {
            ...common,
            start: minuteOf(2),
            outcome: 'allow',
            reason: '',
            caller: 'service:web',
            clientAddress: '10.0.0.7',
            count: 3,
            firstSeen: t0 + 2,
            lastSeen: t0 + 5,
            requestId: 'r5',
          },
          {
            ...common,
            start: minuteOf(61),
            outcome: 'would_deny',
            reason: 'expired',
            caller: 'service:aidb?',
            clientAddress: '10.0.0.7',
            count: 2,
            firstSeen: t0 + 61,
            lastSeen: t0 + 62,
            requestId: 'r62',
          },
        ]);
        assert.deepEqual((await store.decisions.rollups(t0 + 60, t0 + 120)).groups, [sorted[1]]);
        assert.deepEqual((await store.decisions.rollups(t0 + 7200, t0 + 9000)).groups, []);
      });

      test('take whole hours where whole hours are meant, and count nothing twice', async () => {
        const times = [-120, 10, 3500, 3601, 7199, 7300, 7400];
        await store.decisions.append(times.map((number) => decisionRow(number)));
        const sum = async (since: number, until: number): Promise<number> =>
          (await store.decisions.rollups(since, until)).groups.reduce((all, { count }) => all + count, 0);
        assert.equal(await sum(t0 - 120, t0 + 7380), 6);
        assert.equal(await sum(t0, t0 + 7200), 4);
        assert.equal(await sum(t0 + 3480, t0 + 7260), 3);
        assert.equal(await sum(0, 1e11), 7);
        const { groups } = await store.decisions.rollups(t0 - 120, t0 + 7380);
        assert.ok(
          groups.some(({ bucketSeconds, start, count }) => bucketSeconds === 3600 && start === t0 && count === 2),
        );
      });

      test('measure how long deciding took, and how far the clock of each caller is off', async () => {
        await store.decisions.append([
          decisionRow(1, { durationMicros: 100, skewSeconds: -0.25 }),
          decisionRow(2, { durationMicros: 101, skewSeconds: 400 }),
          decisionRow(3, { durationMicros: 5000, skewSeconds: 0.125 }),
          decisionRow(4, { durationMicros: 0, principal: '', claimed: 'service:web', skewSeconds: 7 }),
          decisionRow(4, { durationMicros: 70_000, outcome: 'would_deny', reason: 'expired' }),
          decisionRow(4, { durationMicros: 70_001, outcome: 'deny', principal: '' }),
          decisionRow(4, { durationMicros: 70_002, outcome: 'public', principal: '' }),
          decisionRow(4, { durationMicros: 70_003, principal: 'operator:break-glass' }),
        ]);
        await store.decisions.append([decisionRow(5, { durationMicros: 102, skewSeconds: null })]);
        const { measures } = await store.decisions.rollups(t0, t0 + 60);
        const told = measures
          .map((measure) => [measure.kind, measure.name, measure.count, measure.least, measure.most])
          .sort((a, b) => String(a[0]).localeCompare(String(b[0])) || Number(a[3]) - Number(b[3]));
        assert.deepEqual(told, [
          ['duration', 'embeddings', 3, 100, 102],
          ['duration', 'embeddings', 1, 5000, 5000],
          ['duration', 'embeddings', 4, 70_000, 70_003],
          ['proving', 'embeddings', 3, 100, 102],
          ['proving', 'embeddings', 1, 5000, 5000],
          ['skew', 'service:web', 2, -0.25, 0.125],
          ['skew', 'service:web', 1, 400, 400],
        ]);
      });

      test('take what was measured beside the rows, with rows or alone, and add it up', async () => {
        const answer = { kind: 'answer', name: 'embeddings', slot: 30, bucketSeconds: 60, start: minuteOf(1) } as const;
        const hourly = { ...answer, bucketSeconds: 3600, start: t0 } as const;
        const counted = { count: 2, least: 18_000, most: 19_000 };
        await store.decisions.append(
          [decisionRow(1, { durationMicros: 0, skewSeconds: null })],
          [
            { ...answer, ...counted },
            { ...hourly, ...counted },
            // Two minutes of one hour.
            { ...hourly, count: 1, least: 20_000, most: 20_000 },
          ],
        );
        await store.decisions.append([], [{ ...answer, count: 3, least: 17_500, most: 18_500 }]);
        const minutes = await store.decisions.rollups(t0, t0 + 60);
        assert.deepEqual(minutes.measures, [{ ...answer, count: 5, least: 17_500, most: 19_000 }]);
        assert.equal(minutes.groups.length, 1);
        const hours = await store.decisions.rollups(t0, t0 + 3600);
        assert.deepEqual(hours.measures, [{ ...hourly, count: 3, least: 18_000, most: 20_000 }]);
      });

      test('of a time before the first decision of all are told by the minute, too', async () => {
        const asked = [t0 - 1790, t0 + 70] as const;
        const told = async () => {
          const { since, until } = await store.decisions.rollups(...asked);
          return [since, until];
        };
        assert.deepEqual(await told(), [t0 - 1800, t0 + 120]);
        await store.decisions.append([decisionRow(1)]);
        assert.deepEqual(await told(), [t0 - 1800, t0 + 120]);
      });

      test('stay when rows are pruned, until their own time comes: minutes first, then hours', async () => {
        await store.decisions.append([decisionRow(1), decisionRow(2)]);
        await store.decisions.prune(t0 + 1000, 0);
        const counts = async (): Promise<number[]> =>
          (await store.decisions.rollups(t0, t0 + 60)).groups.map(({ count }) => count);
        await store.decisions.pruneRollups(t0 + 25 * 3600);
        assert.deepEqual(await counts(), [2]);
        await store.decisions.pruneRollups(t0 + 27 * 3600);
        const hourly = await store.decisions.rollups(t0 + 60, t0 + 120);
        assert.deepEqual(
          hourly.groups.map(({ bucketSeconds, count }) => [bucketSeconds, count]),
          [[3600, 2]],
        );
        assert.deepEqual([hourly.since, hourly.until], [t0, t0 + 3600]);
        await store.decisions.pruneRollups(t0 + 36 * 86_400);
        assert.deepEqual(await counts(), []);
        assert.deepEqual((await store.decisions.rollups(t0, t0 + 60)).measures, []);
      });

      test('do not grow with names and addresses that strangers make up, and hide nobody else', async () => {
        const stranger = { outcome: 'deny', reason: 'unknown_service', principal: '' } as const;
        const madeUp = Array.from({ length: 1000 }, (_, index) =>
          decisionRow(1, { ...stranger, claimed: `service:made-up-${index}`, clientAddress: '10.6.6.6' }),
        );
        const services = Array.from({ length: 100 }, (_, index) =>
          decisionRow(1, { ...stranger, reason: 'no_such_service', service: `s${index}`, route: `/r${index}` }),
        );
        await store.decisions.append(madeUp);
        await store.decisions.append(services);
        await store.decisions.append([
          decisionRow(2, { ...stranger, claimed: 'service:aidb', clientAddress: '10.0.0.8' }),
          decisionRow(3),
        ]);
        const { groups } = await store.decisions.rollups(t0, t0 + 60);
        assert.equal(
          groups.reduce((sum, { count }) => sum + count, 0),
          1102,
        );
        assert.ok(groups.length <= 60, `${groups.length} groups`);
        const rest = groups.find(({ caller, clientAddress }) => caller === OTHERS && clientAddress === '10.6.6.6');
        assert.ok((rest?.count ?? 0) > 900);
        for (const caller of ['service:aidb?', 'service:web'])
          assert.ok(
            groups.some((group) => group.caller === caller),
            caller,
          );
      });

      test('hold any text that a request may bring', async () => {
        const odd = 'service:\u0000\ud800"\n' + 'ü'.repeat(200);
        await store.decisions.append([
          decisionRow(1, { principal: odd, claimed: odd, skewSeconds: 1 }),
          decisionRow(1, { principal: odd.replace('\ud800', '\udbff'), skewSeconds: 1 }),
        ]);
        const { groups, measures } = await store.decisions.rollups(t0, t0 + 60);
        assert.equal(
          groups.reduce((sum, { count }) => sum + count, 0),
          2,
        );
        assert.equal(
          measures.filter(({ kind }) => kind === 'skew').reduce((sum, { count }) => sum + count, 0),
          2,
        );
      });

      sharing('add up whoever appends, at once and after', async () => {
        const other = made.another();
        await Promise.all(
          Array.from({ length: 20 }, (_, index) =>
            (index % 2 === 0 ? store : other).decisions.append([decisionRow(1), decisionRow(index + 2)]),
          ),
        );
        const [group, ...rest] = (await other.decisions.rollups(t0, t0 + 60)).groups;
        assert.deepEqual(rest, []);
        assert.deepEqual([group?.count, group?.firstSeen, group?.lastSeen], [40, t0 + 1, t0 + 21]);
        assert.equal(group?.requestId, 'r21');
      });
    });

    describe('uses of keys', () => {
      test('add up by credential, caller and address: first, last and how often', async () => {
        await store.usage.add([useOf('a', { lastUsed: t0 + 5.25, count: 2 }), useOf('b', { clientAddress: '::1' })]);
        await store.usage.add([
          useOf('a', { firstUsed: t0 + 7, lastUsed: t0 + 9, count: 3 }),
          useOf('a', { firstUsed: t0 - 1.5, lastUsed: t0 - 1, count: 1 }),
          useOf('a', { caller: 'service:other ä"', lastUsed: t0 + 6 }),
        ]);
        await store.usage.add([]);
        const known = [
          useOf('a', { firstUsed: t0 - 1.5, lastUsed: t0 + 9, count: 6 }),
          useOf('a', { caller: 'service:other ä"', lastUsed: t0 + 6 }),
        ];
        assert.deepEqual(await store.usage.list(['a']), known);
        assert.deepEqual(await store.usage.list(['b', 'a', 'a', 'none']), [
          ...known,
          useOf('b', { clientAddress: '::1' }),
        ]);
        assert.deepEqual(await store.usage.list(), [...known, useOf('b', { clientAddress: '::1' })]);
        assert.deepEqual(await store.usage.list([]), []);
      });

      test('are kept of the places that were used last, so many for each credential', async () => {
        const places = Array.from({ length: usesKeptMax + 150 }, (_, number) =>
          useOf('leaked', { clientAddress: `10.0.${number >> 8}.${number & 255}`, lastUsed: t0 + number }),
        );
        await store.usage.add([useOf('quiet', { lastUsed: t0 - 1000, firstUsed: t0 - 1000 }), ...places]);
        const kept = await store.usage.list(['leaked']);
        assert.equal(kept.length, usesKeptMax);
        assert.deepEqual(kept, places.slice(-usesKeptMax).toReversed());
        assert.equal((await store.usage.list(['quiet'])).length, 1);
      });
    });

    describe('records', () => {
      test('are read as they were written, whatever JSON they hold', async () => {
        const value = {
          text: 'ä"\'\u{1f511}\u0000',
          numbers: [0, -1.5, 1e21, 9007199254740991],
          nothing: null,
          deep: { b: 1, a: [[]] },
        };
        const written = await store.records.put(recordOf('a', { value, expiresAt: t0 + 0.5 }), null, t0);
        assert.deepEqual(written && { ...written, revision: '' }, {
          ...recordOf('a', { value, expiresAt: t0 + 0.5 }),
          revision: '',
        });
        assert.deepEqual(await store.records.get('ramp', 'a', t0), written);
        assert.equal(await store.records.get('ramp', 'b', t0), null);
        assert.equal(await store.records.get('other', 'a', t0), null);
      });

      test('are written only over the revision that their writer has seen', async () => {
        const first = await store.records.put(recordOf('a'), null, t0);
        assert.equal(await store.records.put(recordOf('a', { value: 2 }), null, t0), null, 'there is one');
        const second = await store.records.put(recordOf('a', { value: 2 }), first?.revision ?? '', t0);
        assert.equal(second?.value, 2);
        assert.equal(
          await store.records.put(recordOf('a', { value: 3 }), first?.revision ?? '', t0),
          null,
          'it is stale',
        );
        assert.equal(await store.records.put(recordOf('none'), first?.revision ?? '', t0), null, 'there is none');
        assert.deepEqual(await store.records.get('ramp', 'a', t0), second);
      });

      test('are removed only at the revision that was seen, and what comes after is told from what was', async () => {
        const first = await store.records.put(recordOf('a'), null, t0);
        assert.equal(await store.records.remove('ramp', 'a', 'another', t0), false);
        assert.equal(await store.records.remove('ramp', 'a', first?.revision ?? '', t0), true);
        assert.equal(await store.records.remove('ramp', 'a', first?.revision ?? '', t0), false);
        const again = await store.records.put(recordOf('a'), null, t0);
        assert.notEqual(again?.revision, first?.revision);
        assert.equal(await store.records.put(recordOf('a'), first?.revision ?? '', t0), null);
      });

      test('are as if they had never been from their end on', async () => {
        const first = await store.records.put(recordOf('a', { expiresAt: t0 + 60 }), null, t0);
        assert.equal(await store.records.get('ramp', 'a', t0 + 60), null);
        assert.deepEqual(await store.records.list('ramp', t0 + 60), []);
        assert.equal(await store.records.remove('ramp', 'a', first?.revision ?? '', t0 + 60), false);
        assert.equal(await store.records.put(recordOf('a'), first?.revision ?? '', t0 + 60), null);
        const second = await store.records.put(recordOf('a', { value: 'anew' }), null, t0 + 60);
        assert.deepEqual(await store.records.get('ramp', 'a', t0 + 1e6), second);
      });

      test('that have ended are swept out, and no others', async () => {
        await store.records.put(recordOf('ended', { expiresAt: t0 + 1 }), null, t0);
        await store.records.put(recordOf('alive', { expiresAt: t0 + 9 }), null, t0);
        await store.records.put(recordOf('endless'), null, t0);
        assert.equal(await store.records.deleteExpired(t0 + 5), 1);
        assert.equal(await store.records.deleteExpired(t0 + 5), 0);
        const ids = (await store.records.list('ramp', t0)).map(({ id }) => id);
        assert.deepEqual(ids, ['alive', 'endless']);
      });

      test('are listed by kind and id, page by page', async () => {
        for (const id of ['b', 'a/2', 'B', 'a', '~', 'c'])
          await store.records.put(recordOf(id, { expiresAt: id === 'c' ? t0 + 1 : null }), null, t0);
        await store.records.put({ ...recordOf('a'), kind: 'ramp-other' }, null, t0);
        const page = async (options?: { after?: string; limit?: number }) =>
          (await store.records.list('ramp', t0 + 1, options)).map(({ id }) => id);
        assert.deepEqual(await page(), ['B', 'a', 'a/2', 'b', '~']);
        assert.deepEqual(await page({ limit: 2 }), ['B', 'a']);
        assert.deepEqual(await page({ after: 'a', limit: 2 }), ['a/2', 'b']);
        assert.deepEqual(await page({ after: '~' }), []);
        assert.deepEqual(await store.records.kinds(), ['ramp', 'ramp-other']);
      });

      test('let exactly one of 50 concurrent writers through, the first time and the next', async () => {
        const race = async (expected: string | null) => {
          const writers = Array.from({ length: 50 }, (_, value) =>
            store.records.put(recordOf('a', { value }), expected, t0),
          );
          return (await Promise.all(writers)).filter((written) => written !== null);
        };
        const [first, ...others] = await race(null);
        assert.deepEqual(others, []);
        assert.equal((await race(first?.revision ?? '')).length, 1);
      });

      test('refuse what nobody could read again', async () => {
        const refused = [
          { ...recordOf('a'), kind: 'Ramp/1' },
          recordOf(''),
          recordOf('with space'),
          recordOf('a'.repeat(513)),
          recordOf('a', { value: 'x'.repeat(262_144) }),
          recordOf('a', { value: undefined as never }),
          recordOf('a', { expiresAt: Number.NaN }),
        ];
        for (const entry of refused) await assert.rejects(store.records.put(entry, null, t0), coded('record_invalid'));
        assert.deepEqual(await store.records.list('ramp', t0), []);
      });
    });

    test('what was asked for by text that nothing can hold is not there', async () => {
      await store.decisions.append([decisionRow(1)]);
      await store.events.append(eventRow(1), chainStart);
      for (const text of ['a\0b', '\0', '\ud800']) {
        for (const field of ['service', 'route', 'reason', 'caller'] as const)
          for (const after of [undefined, 0])
            assert.deepEqual(
              await store.decisions.list({ [field]: text, limit: 9, ...(after !== undefined && { after }) }),
              [],
              field,
            );
        for (const field of ['type', 'actor'] as const)
          assert.deepEqual(await store.events.list('events', { [field]: text, limit: 9 }), [], field);
      }
    });

    describe('chains of events', () => {
      test('are read as they were written: the newest ones, or those behind a number', async () => {
        assert.equal(await store.events.head('events'), null);
        const rows = [eventRow(1), eventRow(2, { type: 'mode.set', actor: 'ä"\'\u{1f511}' }), eventRow(3)];
        for (const link of rows) assert.equal(await store.events.append(link, previousOf(link)), true);
        const { sequence, time, hash } = eventRow(3);
        assert.deepEqual(await store.events.head('events'), { sequence, time, hash });
        assert.deepEqual(await store.events.list('events', { limit: 9 }), rows);
        assert.deepEqual(await store.events.list('events', { limit: 2 }), rows.slice(1));
        assert.deepEqual(await store.events.list('events', { after: 0, limit: 2 }), rows.slice(0, 2));
        assert.deepEqual(await store.events.list('events', { after: -Infinity, limit: 2 }), rows.slice(0, 2));
        assert.deepEqual(await store.events.list('events', { since: t0 + 2, until: t0 + 2, limit: 9 }), [rows[1]]);
        assert.deepEqual(await store.events.list('events', { type: 'mode.set', limit: 9 }), [rows[1]]);
        assert.deepEqual(await store.events.list('events', { actor: 'cli:root', after: 1, limit: 9 }), [rows[2]]);
        assert.deepEqual(await store.events.list('decisions', { limit: 9 }), []);
      });

      test('take a link only behind the very one that it names, and each chain for itself', async () => {
        assert.equal(await store.events.append(eventRow(2), hashOf(1)), false, 'there is no first one');
        assert.equal(await store.events.append(eventRow(1), hashOf(7)), false, 'it names one before the first');
        assert.equal(await store.events.append(eventRow(1), chainStart), true);
        assert.equal(await store.events.append(eventRow(1), chainStart), false, 'it is there already');
        assert.equal(await store.events.append(eventRow(2), hashOf(7)), false, 'it names another');
        assert.equal(await store.events.append(eventRow(3), hashOf(1)), false, 'one is left out');
        assert.equal(await store.events.append(eventRow(1, { chain: 'decisions' }), chainStart), true);
        assert.deepEqual(await store.events.list('events', { limit: 9 }), [eventRow(1)]);
      });

      test('let exactly one of 50 concurrent writers through', async () => {
        const race = (sequence: number) => {
          const rows = Array.from({ length: 50 }, (_, writer) => eventRow(sequence, { actor: `writer-${writer}` }));
          return Promise.all(rows.map((link) => store.events.append(link, previousOf(link))));
        };
        assert.equal((await race(1)).filter(Boolean).length, 1);
        assert.equal((await race(2)).filter(Boolean).length, 1);
        assert.equal((await store.events.list('events', { limit: 9 })).length, 2);
      });

      test('lose their beginning and go on where they were', async () => {
        for (const link of [1, 2, 3].map((sequence) => eventRow(sequence)))
          await store.events.append(link, previousOf(link));
        assert.equal(await store.events.prune('events', 2), 2);
        assert.equal(await store.events.prune('events', 2), 0);
        assert.equal(await store.events.append(eventRow(4), hashOf(3)), true);
        assert.deepEqual(await store.events.list('events', { limit: 9 }), [eventRow(3), eventRow(4)]);
      });
    });

    describe('a lease', () => {
      test('belongs to one of many, who may renew it', async () => {
        const contenders = Array.from({ length: 10 }, (_, index) => leaseOf(store, `holder-${index}`));
        const taken = await Promise.all(contenders.map((contender) => contender.take(t0)));
        assert.equal(taken.filter(Boolean).length, 1);
        const holder = contenders[taken.indexOf(true)] as Lease;
        assert.equal(await holder.take(t0 + 9), true);
        const later = await Promise.all(contenders.map((contender) => contender.take(t0 + 18)));
        assert.deepEqual(later, taken);
      });

      test('passes on when it ends or is given up, and is not taken back by who lost it', async () => {
        const [first, second] = [leaseOf(store, 'first'), leaseOf(store, 'second')];
        assert.equal(await first.take(t0), true);
        assert.equal(await second.take(t0 + 9), false);
        assert.equal(await second.take(t0 + 10), true);
        assert.equal(await first.take(t0 + 10), false);
        await first.release(t0 + 10);
        assert.equal(await first.take(t0 + 11), false, 'who lost it releases nothing');
        await second.release(t0 + 11);
        assert.equal(await first.take(t0 + 11), true);
      });

      test('that has ended is taken again at once by who held it', async () => {
        const holder = leaseOf(store, 'holder');
        assert.equal(await holder.take(t0), true);
        assert.equal(await holder.take(t0 + 60), true);
      });

      test('is recognised by a holder whose answer was lost', async () => {
        assert.equal(await leaseOf(store, 'first').take(t0), true);
        assert.equal(await leaseOf(store, 'first').take(t0 + 1), true);
      });
    });

    describe('watching', () => {
      test('tells of every change made here, in order, by the time its promise resolves', async () => {
        const heard: string[] = [];
        store.watch(({ topic, id }) => heard.push(`${topic} ${id}`));
        await changeEverything(store);
        assert.deepEqual(heard, everyChange);
      });

      sharing('tells of every change made by another process', async () => {
        const heard: string[] = [];
        const complete = new Promise<void>((resolve) => {
          store.watch(({ topic, id }) => {
            heard.push(`${topic} ${id}`);
            if (heard.length >= everyChange.length) resolve();
          });
        });
        await changeEverything(made.another());
        await complete;
        assert.deepEqual(heard, everyChange);
      });

      test('is silent about what changes nothing', async () => {
        await store.keys.insert(keyRecord('a'));
        await store.keys.revoke('a', t0);
        const heard: Change[] = [];
        store.watch((change) => heard.push(change));
        await store.keys.revoke('a', t0);
        await store.keys.revoke('none', t0);
        await store.keys.revokeDigest(keyRecord('a').digest, t0);
        await store.tokens.revoke('none', t0);
        await assert.rejects(store.keys.insert(keyRecord('a')), coded('duplicate'));
        await store.keys.promote('a', t0);
        await store.keys.promote('none', t0);
        await store.keys.setExpiry('a', t0);
        await store.keys.setExpiry('none', t0);
        await store.records.put(recordOf('none'), 'stale', t0);
        await store.records.remove('ramp', 'none', 'stale', t0);
        await store.usage.add([useOf('a')]);
        await store.limits.take('k', 1, 60, t0);
        await store.decisions.append([decisionRow(1)]);
        assert.deepEqual(heard, []);
      });

      test('ends for one listener alone when it is stopped', async () => {
        const heard: string[] = [];
        const stop = store.watch(() => heard.push('first'));
        store.watch(() => heard.push('second'));
        await store.keys.revokeDigest('a', t0);
        stop();
        stop();
        await store.keys.revokeDigest('b', t0);
        assert.deepEqual(heard, ['first', 'second', 'second']);
      });

      test('survives a listener that throws, and so does the write', async () => {
        const heard: string[] = [];
        const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
        store.watch(() => {
          throw new Error('a slip of the listener');
        });
        store.watch(({ id }) => heard.push(id));
        await store.keys.revokeDigest('a', t0);
        assert.deepEqual(heard, ['a']);
        assert.match((await warned).message, /a slip of the listener/);
      });
    });

    describe('as a whole', () => {
      test('answers a ping, and migrates again without harm', async () => {
        await store.keys.insert(keyRecord('a'));
        assert.deepEqual(await store.schema(), { made: true, missing: [], adopts: null });
        assert.deepEqual(await store.migrate(), []);
        await store.ping();
        assert.deepEqual(await store.keys.list(), [keyRecord('a')]);
      });

      sharing('shares its state with another instance', async () => {
        const other = made.another();
        await changeEverything(store);
        await store.decisions.append([decisionRow(1)]);
        assert.deepEqual(await other.keys.list(), await store.keys.list());
        assert.deepEqual(
          await other.tokens.get(tokenRecord(1).tokenId),
          await store.tokens.get(tokenRecord(1).tokenId),
        );
        assert.deepEqual(await other.decisions.list({ limit: 5 }), await store.decisions.list({ limit: 5 }));
        assert.equal(await store.limits.once('nonce', t0 + 60, t0), true);
        assert.equal(await other.limits.once('nonce', t0 + 60, t0), false);
        await store.limits.take('k', 1, 60, t0);
        assert.equal((await other.limits.take('k', 1, 60, t0)).allowed, false);
      });

      test('refuses every verb once closed, and closes twice without harm', async () => {
        await store.close();
        await store.close();
        const verbs: (() => Promise<unknown>)[] = [
          () => store.schema(),
          () => store.migrate(),
          () => store.ping(),
          () => store.keys.insert(keyRecord('a')),
          () => store.keys.get('a'),
          () => store.keys.byDigest('a'),
          () => store.keys.list(),
          () => store.keys.revoke('a', t0),
          () => store.keys.promote('a', t0),
          () => store.keys.setExpiry('a', t0),
          () => store.keys.revocations(),
          () => store.keys.revokeDigest('a', t0),
          () => store.tokens.insert(tokenRecord(1)),
          () => store.tokens.byHash('a'),
          () => store.tokens.get('a'),
          () => store.tokens.listActive(t0, 1),
          () => store.tokens.revoke('a', t0),
          () => store.tokens.deleteExpired(t0),
          () => store.modes.list(),
          () => store.modes.set({ scope: '', mode: 'off', setAt: t0, setBy: '' }),
          () => store.modes.setAll({ scope: '', mode: 'off', setAt: t0, setBy: '' }),
          () => store.modes.clear(null),
          () => store.limits.take('k', 1, 1, t0),
          () => store.limits.peek('k', 1, t0),
          () => store.limits.once('k', t0, t0),
          () => store.decisions.append([decisionRow(1)]),
          () => store.decisions.list({ limit: 1 }),
          () => store.decisions.groups(t0, t0),
          () => store.decisions.prune(t0, 1),
          () => store.decisions.rollups(t0, t0 + 60),
          () => store.decisions.pruneRollups(t0),
          () => store.usage.add([useOf('a')]),
          () => store.usage.list(),
          () => store.records.get('ramp', 'a', t0),
          () => store.records.list('ramp', t0),
          () => store.records.kinds(),
          () => store.records.put(recordOf('a'), null, t0),
          () => store.records.remove('ramp', 'a', 'x', t0),
          () => store.records.deleteExpired(t0),
          () => store.events.head('events'),
          () => store.events.append(eventRow(1), chainStart),
          () => store.events.list('events', { limit: 1 }),
          () => store.events.prune('events', 1),
        ];
        for (const verb of verbs) await assert.rejects(verb(), coded('store_unavailable'), String(verb));
      });
    });
  });
}

function recordOf(id: string, changes: Partial<RecordEntry> = {}): RecordEntry {
  return { kind: 'ramp', id, value: { step: 1 }, expiresAt: null, ...changes };
}

function hashOf(sequence: number): string {
  return String(sequence).padStart(64, 'a');
}

function eventRow(sequence: number, details: Partial<EventRow> = {}): EventRow {
  const text = `{"sequence":${sequence},"\u{1f511}":"\\u0000"}`;
  const plain = { chain: 'events', type: 'key.created', actor: 'cli:root' } as const;
  return { ...plain, sequence, time: t0 + sequence, text, hash: hashOf(sequence), ...details };
}

function previousOf({ sequence }: EventRow): string {
  return sequence === 1 ? chainStart : hashOf(sequence - 1);
}

function leaseOf({ records }: Store, holder: string): Lease {
  return lease({ records, name: 'ramp', holder, seconds: 10 });
}

async function changeEverything(store: Store): Promise<void> {
  await store.keys.insert(keyRecord('a'));
  await store.keys.insert(keyRecord('b', { replaces: 'a', pending: true }));
  await store.keys.promote('b', t0 + 60);
  await store.keys.setExpiry('b', t0 + 600);
  await store.keys.revoke('a', t0);
  await store.keys.revokeDigest('from-a-file', t0);
  await store.tokens.insert(tokenRecord(1));
  await store.tokens.revoke(tokenRecord(1).tokenId, t0);
  await store.modes.set({ scope: 'embeddings', mode: 'off', setAt: t0, setBy: '' });
  await store.modes.setAll({ scope: '', mode: 'off', setAt: t0, setBy: '' });
  await store.modes.clear('embeddings');
  await store.modes.clear(null);
  const record = await store.records.put(recordOf('a/b'), null, t0);
  await store.records.remove('ramp', 'a/b', record?.revision ?? '', t0);
}

const everyChange = [
  'keys a',
  'keys b',
  'keys b',
  'keys a',
  'keys b',
  'keys a',
  `revocations ${keyRecord('a').digest}`,
  'revocations from-a-file',
  `tokens ${tokenRecord(1).tokenId}`,
  `tokens ${tokenRecord(1).tokenId}`,
  'modes embeddings',
  'modes *',
  'modes embeddings',
  'modes *',
  'records ramp/a/b',
  'records ramp/a/b',
];

export function keyRecord(id: string, details: Partial<KeyRecord> = {}): KeyRecord {
  return {
    id,
    service: 'aidb',
    kind: 'sk',
    digest: `digest-of-${id}`,
    material: null,
    lastFour: 'wxyz',
    imported: false,
    scopes: [],
    allowedIps: [],
    createdAt: t0,
    expiresAt: null,
    revokedAt: null,
    replaces: null,
    pending: false,
    ...details,
  };
}

export function tokenRecord(number: number, details: Partial<TokenRecord> = {}): TokenRecord {
  return {
    tokenId: `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`,
    tokenHash: `hash-of-${number}`,
    createdAt: t0,
    expiresAt: t0 + 86_400,
    revokedAt: null,
    scopes: [],
    allowedIps: [],
    clientId: null,
    metadata: {},
    createdBy: '',
    ...details,
  };
}

export function useOf(credentialId: string, details: Partial<KeyUse> = {}): KeyUse {
  const base = { caller: 'service:aidb', clientAddress: '10.0.0.7', firstUsed: t0, lastUsed: t0, count: 1 };
  return { credentialId, ...base, ...details };
}

function row(scope: string, mode: ModeRow['mode'], setAt = t0): ModeRow {
  return { scope, mode, setAt, setBy: 'operator:admin' };
}

function scopesOf(rows: readonly ModeRow[]): string[] {
  return rows.map(({ scope, mode }) => `${scope}=${mode}`).sort();
}

function requestsOf(rows: readonly DecisionRow[]): string[] {
  return rows.map(({ requestId }) => requestId);
}

/** The time and the request id say which row it is. */
export function decisionRow(number: number, details: Partial<DecisionRow> = {}): DecisionRow {
  return {
    time: t0 + number,
    outcome: 'allow',
    reason: '',
    note: '',
    mode: 'report',
    service: 'embeddings',
    route: '/embed',
    method: 'POST',
    path: '/embed',
    principal: 'service:web',
    claimed: '',
    scheme: 'api-key',
    credentialId: 'abc',
    clientAddress: '10.0.0.7',
    skewSeconds: null,
    durationMicros: 3,
    requestId: `r${number}`,
    ...details,
  };
}

function coded(code: string): (error: unknown) => boolean {
  return (error) => hasCode(error, code) && error instanceof Error && error.message.length > 10;
}
