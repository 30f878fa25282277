import type { BucketSeconds, MeasureKind, RollupGroup, RollupMeasure, Rollups } from '../../core/rollup.ts';
import { bucketsFor, bucketsKeptFrom, rollupsIn } from '../buckets.ts';
import type { RolledUp } from '../roll-up.ts';
import { listOf, type Server, type Value } from './server.ts';

/** Buckets removed at a time. */
const pruneStep = 20;

/** As the script that appends rows takes them. */
export function rollupArguments({ groups, measures }: RolledUp): Value[] {
  return [
    groups.length,
    ...groups.flatMap(({ bucketSeconds, start, key, count, firstSeen, lastSeen, requestId, ...what }) => [
      bucketSeconds,
      start,
      key,
      JSON.stringify(what),
      count,
      firstSeen,
      lastSeen,
      requestId,
    ]),
    ...measures.flatMap(({ bucketSeconds, start, kind, slot, name, count, least, most }) => [
      bucketSeconds,
      start,
      JSON.stringify([kind, slot, name]),
      count,
      least,
      most,
    ]),
  ];
}

export async function rollupsBetween(server: Server, asked: number, end: number): Promise<Rollups> {
  const [oldest] = listOf(await server.run('rollupsOldest'));
  const cover = bucketsFor(asked, end, oldest === undefined ? null : Number(oldest));
  const groups: RollupGroup[] = [];
  const measures: RollupMeasure[] = [];
  for (const { bucketSeconds, from, until: behind } of cover.ranges) {
    for (const start of listOf(await server.run('rollupStarts', bucketSeconds, bound(from), bound(behind)))) {
      const [grouped, measured] = (await server.run('rollupBucket', bucketSeconds, start ?? '')) as unknown[];
      groups.push(...groupsIn(listOf(grouped), bucketSeconds, Number(start)));
      measures.push(...measuresIn(listOf(measured), bucketSeconds, Number(start)));
    }
  }
  return rollupsIn(cover, groups, measures);
}

export async function pruneRollups(server: Server, now: number): Promise<void> {
  for (const { bucketSeconds, from } of bucketsKeptFrom(now))
    while (Number(await server.run('rollupsPrune', bucketSeconds, from, pruneStep)) === pruneStep);
}

function groupsIn(reply: readonly (string | null)[], bucketSeconds: BucketSeconds, start: number): RollupGroup[] {
  return thingsIn(reply, 'group').map(({ field }) => ({
    ...(JSON.parse(field('group')) as Pick<
      RollupGroup,
      'service' | 'route' | 'mode' | 'outcome' | 'reason' | 'caller' | 'clientAddress'
    >),
    bucketSeconds,
    start,
    count: Number(field('count')),
    firstSeen: Number(field('first')),
    lastSeen: Number(field('last')),
    requestId: field('request'),
  }));
}

function measuresIn(reply: readonly (string | null)[], bucketSeconds: BucketSeconds, start: number): RollupMeasure[] {
  return thingsIn(reply, 'count').map(({ subject, field }) => {
    const [kind, slot, name] = JSON.parse(subject) as [MeasureKind, number, string];
    const counted = { count: Number(field('count')), least: Number(field('least')), most: Number(field('most')) };
    return { bucketSeconds, start, kind, name, slot, ...counted };
  });
}

/** A hash's fields are called 'FIELD SUBJECT'; each subject has one `field` of the given name. */
function thingsIn(reply: readonly (string | null)[], named: string) {
  const fields = new Map<string, string>();
  for (let at = 0; at < reply.length; at += 2) fields.set(reply[at] ?? '', reply[at + 1] ?? '');
  return [...fields.keys()]
    .filter((name) => name.startsWith(`${named} `))
    .map((name) => name.slice(named.length + 1))
    .map((subject) => ({ subject, field: (name: string): string => fields.get(`${name} ${subject}`) ?? '' }));
}

/** As Redis reads it. */
function bound(time: number): string {
  if (Number.isFinite(time)) return String(time);
  return time > 0 ? '+inf' : '-inf';
}
