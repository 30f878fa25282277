import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { OTHERS } from '../core/rollup.ts';
import type { Store } from '../core/store.ts';
import { t0, decisionRow, type ContractGround } from './store.fixtures.ts';

export function rollupsContract({ under, sharing }: ContractGround): void {
  describe('roll-ups of decisions', () => {
    let store: Store;
    beforeEach(() => {
      ({ store } = under());
    });

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
      const other = under().another();
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
}
