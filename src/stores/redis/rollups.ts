import type { BucketSeconds, RollupGroup, RollupMeasure, Rollups } from '../../core/rollup.ts';
import { bucketsFor, bucketsKeptFrom, rollupsIn } from '../buckets.ts';
import type { RolledUp } from '../roll-up.ts';
import type { Found } from '../rollup-values.ts';
import { parsed } from './kept-json.ts';
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
  const groups: Found<RollupGroup>[] = [];
  const measures: Found<RollupMeasure>[] = [];
  for (const { bucketSeconds, from, until: behind } of cover.ranges) {
    for (const start of listOf(await server.run('rollupStarts', bucketSeconds, bound(from), bound(behind)))) {
      const [grouped, measured] = (await server.run('rollupBucket', bucketSeconds, start ?? '')) as unknown[];
      for (const group of groupsIn(grouped, bucketSeconds, Number(start))) groups.push(group);
      for (const measure of measuresIn(measured, bucketSeconds, Number(start))) measures.push(measure);
    }
  }
  return rollupsIn(cover, groups, measures);
}

export async function pruneRollups(server: Server, now: number): Promise<void> {
  for (const { bucketSeconds, from } of bucketsKeptFrom(now))
    while (Number(await server.run('rollupsPrune', bucketSeconds, from, pruneStep)) === pruneStep);
}

function groupsIn(reply: unknown, bucketSeconds: BucketSeconds, start: number): Found<RollupGroup>[] {
  return thingsIn(reply).map(({ field }) => ({
    ...(parsed(field('group')) as Found<RollupGroup> | null),
    bucketSeconds,
    start,
    count: numberIn(field('count')),
    firstSeen: numberIn(field('first')),
    lastSeen: numberIn(field('last')),
    requestId: field('request'),
  }));
}

function measuresIn(reply: unknown, bucketSeconds: BucketSeconds, start: number): Found<RollupMeasure>[] {
  return thingsIn(reply).map(({ subject, field }) => {
    const said = parsed(subject);
    const [kind, slot, name] = Array.isArray(said) ? (said as unknown[]) : [];
    const counted = { count: numberIn(field('count')), least: numberIn(field('least')), most: numberIn(field('most')) };
    return { bucketSeconds, start, kind, name, slot, ...counted };
  });
}

/** A hash's fields are called 'FIELD SUBJECT'. What stands there and is no hash is one thing that has no fields. */
function thingsIn(reply: unknown) {
  const fields = new Map<string, string>();
  const subjects = new Set<string>(Array.isArray(reply) ? [] : ['']);
  const list = listOf(reply);
  for (let at = 0; at < list.length; at += 2) {
    const name = list[at] ?? '';
    fields.set(name, list[at + 1] ?? '');
    subjects.add(name.slice(name.indexOf(' ') + 1));
  }
  return [...subjects].map((subject) => ({
    subject,
    field: (name: string): string => fields.get(`${name} ${subject}`) ?? '',
  }));
}

/** NaN for none. */
function numberIn(text: string): number {
  return text === '' ? Number.NaN : Number(text);
}

/** As Redis reads it. */
function bound(time: number): string {
  if (Number.isFinite(time)) return String(time);
  return time > 0 ? '+inf' : '-inf';
}
