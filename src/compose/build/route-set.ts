import { z } from 'zod';
import type { JsonValue, RecordStore, StoredRecord } from '../../core/record.ts';
import type { RouteRule } from '../../core/route.ts';
import { routeTable } from '../../core/route-table.ts';
import { messageOf } from '../../core/message-of.ts';
import { ruleOf } from './build.ts';
import type { StackConfig } from '../config.ts';
import { rawRoute } from '../schema/raw-route.ts';
import { routesSchema, type RawRoute } from '../schema/schema.ts';
import { servicePattern } from '../schema/schema-words.ts';

/** Rules that are kept in the store, and count on every replica in place of those of its file. */
export interface RouteSet {
  /** Epoch seconds. */
  readonly publishedAt: number;
  readonly publishedBy: string;
  readonly services: ReadonlyMap<string, readonly RawRoute[]>;
}

const kind = 'routes';
const id = 'published';
/** The change of the feed that tells of it. */
export const routesTopicId = `${kind}/${id}`;

const shape = z.strictObject({
  publishedAt: z.number(),
  publishedBy: z.string().max(256),
  services: z.record(z.string().regex(servicePattern), routesSchema),
});

/** Thrown for a stored set that this version cannot read: rules that are left out would leave something open. */
export class RoutesUnreadable extends Error {
  readonly code = 'routes_unreadable';
  constructor(why: string) {
    super(
      `the published routes cannot be used: ${why}; publish them anew, or withdraw them: countersign routes withdraw`,
    );
    this.name = 'RoutesUnreadable';
  }
}

export interface StoredRouteSet {
  readonly set: RouteSet;
  readonly revision: string;
}

/** Null when nothing is published. Rejects with RoutesUnreadable. */
export async function storedRoutes(records: RecordStore, now: number): Promise<StoredRouteSet | null> {
  const record = await records.get(kind, id, now);
  return record && { set: routeSet(record), revision: record.revision };
}

function routeSet({ value }: StoredRecord): RouteSet {
  const read = shape.safeParse(value);
  if (!read.success) throw new RoutesUnreadable(z.prettifyError(read.error).replaceAll('\n', ' '));
  const { publishedAt, publishedBy, services } = read.data;
  return { publishedAt, publishedBy, services: new Map(Object.entries(services)) };
}

/** The rules of every service of a configuration. */
export function routeSetOf({ services }: StackConfig, publishedBy: string, publishedAt: number): RouteSet {
  return {
    publishedAt,
    publishedBy,
    services: new Map(services.map(({ name, rules }) => [name, rules.map(rawRoute)])),
  };
}

/** Takes the place of what has this revision, or of nothing. False when somebody else was faster. */
export async function publishRoutes(records: RecordStore, set: RouteSet, expected: string | null): Promise<boolean> {
  const value = { ...set, services: Object.fromEntries(set.services) } as unknown as JsonValue;
  return (await records.put({ kind, id, value, expiresAt: null }, expected, set.publishedAt)) !== null;
}

/** From then on the file of each replica counts again. False when somebody else was faster. */
export function withdrawRoutes(records: RecordStore, expected: string, now: number): Promise<boolean> {
  return records.remove(kind, id, expected, now);
}

/** Works for a set that cannot be read, too. Null when nothing is published. */
export async function publishedRevision(records: RecordStore, now: number): Promise<string | null> {
  return (await records.get(kind, id, now))?.revision ?? null;
}

export function sameRules(some: readonly RouteRule[], others: readonly RouteRule[]): boolean {
  return JSON.stringify(some.map(rawRoute)) === JSON.stringify(others.map(rawRoute));
}

/** Throws RoutesUnreadable for rules that no file may hold either. */
export function rulesOf(set: RouteSet): Map<string, readonly RouteRule[]> {
  return new Map(
    [...set.services].map(([name, routes]) => {
      try {
        const rules = routes.map(ruleOf);
        routeTable(name, rules);
        return [name, rules];
      } catch (error) {
        throw new RoutesUnreadable(`${name}: ${messageOf(error)}`);
      }
    }),
  );
}
