import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { tcpRelay } from '../../test/fixtures/tcp-relay.ts';
import { until } from '../../test/fixtures/until.ts';
import type { DecisionFilter, DecisionRow, Store } from '../core/store.ts';
import { t0, decisionRow, requestsOf, type ContractGround } from './store.fixtures.ts';

export function decisionsContract({ under, remote }: ContractGround): void {
  describe('decisions', () => {
    let store: Store;
    beforeEach(() => {
      ({ store } = under());
    });

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

    test('whose answer was lost are kept and counted once when they are added again, with more behind them', async (t) => {
      const { wire } = under();
      if (!wire) return;
      const relay = await tcpRelay(t, wire.port);
      const writer = wire.at(relay.port);
      const rows = [decisionRow(1), decisionRow(2)];
      const measured = { kind: 'answer', name: 'embeddings', slot: 1, count: 3, least: 1, most: 2 } as const;
      const measures = [{ bucketSeconds: 60, start: t0, ...measured }] as const;
      const kept = async (): Promise<string[]> => requestsOf(await store.decisions.list({ limit: 100 }));
      await writer.decisions.append([decisionRow(0)]);
      relay.loseAnswers();
      // A store may try again by itself; whoever is told that it failed does, with what has come by then.
      const append = (): Promise<boolean> =>
        writer.decisions.append(rows, measures).then(
          () => true,
          () => false,
        );
      const first = append();
      await until(async () => (await kept()).includes('r2'));
      relay.cut();
      const isKnown = await first;
      rows.push(decisionRow(3), decisionRow(4));
      if (isKnown) await writer.decisions.append(rows.slice(2));
      else await until(append);
      await writer.decisions.append([decisionRow(5)]);
      assert.deepEqual(await kept(), ['r0', 'r1', 'r2', 'r3', 'r4', 'r5']);
      const { groups, measures: counted } = await store.decisions.rollups(t0, t0 + 60);
      assert.equal(
        groups.reduce((sum, group) => sum + group.count, 0),
        6,
      );
      assert.deepEqual(
        counted.filter(({ kind }) => kind === 'answer').map((one) => one.count),
        [3],
      );
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

    test('of nobody proven hold at most half when pruned, so that no flood of them pushes out the others', async () => {
      const stranger = { outcome: 'deny', reason: 'missing_credentials', principal: '' } as const;
      // Refused, asked for on public routes, and let pass where nobody is asked.
      const outcomes = ['deny', 'would_deny', 'public', 'allow'] as const;
      const known: [number, Partial<DecisionRow>][] = [
        [1, {}],
        [2, { outcome: 'deny', reason: 'not_allowed' }],
        [3, { outcome: 'deny', reason: 'rate_limited' }],
        [4, { outcome: 'would_deny', reason: 'expired' }],
      ];
      await store.decisions.append(known.map(([number, details]) => decisionRow(number, details)));
      const flood = Array.from({ length: 1500 }, (_, index) =>
        decisionRow(index + 5, {
          ...stranger,
          outcome: outcomes[index % outcomes.length] ?? 'deny',
          claimed: index % 3 === 0 ? 'service:aidb' : '',
        }),
      );
      await store.decisions.append(flood);
      assert.equal(await store.decisions.prune(t0, 10), 1495);
      const strangers = ['r1500', 'r1501', 'r1502', 'r1503', 'r1504'];
      assert.deepEqual(requestsOf(await store.decisions.list({ limit: 100 })), ['r1', 'r2', 'r3', 'r4', ...strangers]);
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
}
