import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as check, integer, option, property } from '../../test/fixtures/properties.ts';
import type { RollupGroup, RollupMeasure } from '../core/rollup.ts';
import { bucketsFor, rollupsIn } from './buckets.ts';

const hour = 3600;

test('buckets cover the time that was asked for, without a gap and without an overlap', () => {
  const time = integer({ min: 0, max: 50 * hour });
  check(
    property(time, integer({ min: 1, max: 30 * hour }), option(time), (since, length, oldest) => {
      const until = since + length;
      const cover = bucketsFor(since, until, oldest === null ? null : Math.floor(oldest / 60) * 60);
      assert.ok(cover.since <= since && cover.until >= until);
      let at = cover.since;
      for (const range of cover.ranges) {
        assert.equal(range.from, at);
        assert.equal(range.from % range.bucketSeconds, 0);
        assert.equal((range.until - range.from) % range.bucketSeconds, 0);
        // Minutes are asked for only where they are still there.
        if (range.bucketSeconds === 60) assert.ok(range.from >= Math.floor((oldest ?? Infinity) / hour) * hour);
        at = range.until;
      }
      assert.equal(at, cover.until);
      // Never wider than needed: a minute where minutes are, an hour where they are not.
      assert.ok(since - cover.since < hour && cover.until - until < hour);
    }),
  );
});

test('a day that ends now is told to the minute', () => {
  const now = 100 * hour + 90;
  assert.deepEqual(bucketsFor(now - 24 * hour, now, 60 * hour), {
    asked: { since: now - 24 * hour, until: now },
    since: 76 * hour + 60,
    until: 100 * hour + 120,
    ranges: [
      { bucketSeconds: 60, from: 76 * hour + 60, until: 77 * hour },
      { bucketSeconds: 3600, from: 77 * hour, until: 100 * hour },
      { bucketSeconds: 60, from: 100 * hour, until: 100 * hour + 120 },
    ],
  });
});

test('an end is told by the hour only where something was counted in it', () => {
  const cover = bucketsFor(10 * hour + 90, 12 * hour + 90, 60 * hour);
  assert.deepEqual([cover.since, cover.until], [10 * hour, 13 * hour]);
  const told = (...starts: number[]) => {
    const measures = starts.map((start): RollupMeasure => ({
      start,
      bucketSeconds: 3600,
      kind: 'answer',
      name: 'a',
      slot: 1,
      count: 1,
      least: 1,
      most: 1,
    }));
    const { since, until } = rollupsIn(cover, [], measures);
    return [since, until];
  };
  assert.deepEqual(told(), [10 * hour + 60, 12 * hour + 120]);
  assert.deepEqual(told(11 * hour), [10 * hour + 60, 12 * hour + 120]);
  assert.deepEqual(told(10 * hour), [10 * hour, 12 * hour + 120]);
  assert.deepEqual(told(12 * hour), [10 * hour + 60, 13 * hour]);
});

test('what is no group and no measure is left out and counted, whatever a store has there', () => {
  const cover = bucketsFor(0, 60, 0);
  const group: RollupGroup = {
    bucketSeconds: 60,
    start: 0,
    service: 'embeddings',
    route: '/embed',
    mode: 'report',
    outcome: 'allow',
    reason: '',
    caller: '',
    clientAddress: '',
    count: 1,
    firstSeen: 1,
    lastSeen: 2,
    requestId: '',
  };
  const measure: RollupMeasure = {
    bucketSeconds: 60,
    start: 0,
    kind: 'skew',
    name: 'a',
    slot: -1,
    count: 1,
    least: -1,
    most: 1,
  };
  const odd = [undefined, null, {}, [], '', 'odd', 'toString', Number.NaN, Infinity, -0.5];
  const variants = <T extends object>(thing: T, fine: readonly string[]) =>
    Object.entries(thing).flatMap(([field, value]) =>
      fine.includes(field)
        ? []
        : odd
            .filter((other) => typeof other !== typeof value || Number.isNaN(other) || other === Infinity)
            .map((other) => ({ ...thing, [field]: other })),
    );
  const groups = [...variants(group, ['bucketSeconds']), { ...group, mode: 'odd' }, { ...group, outcome: 'toString' }];
  const measures = [...variants(measure, ['bucketSeconds']), { ...measure, kind: 'odd' }, { ...measure, count: 0 }];
  const found = rollupsIn(cover, [group, ...groups], [...measures, measure]);
  assert.deepEqual([found.groups, found.measures], [[group], [measure]]);
  assert.equal(found.unreadable, groups.length + measures.length);
});
