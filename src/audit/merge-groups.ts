import type { RollupGroup } from '../core/rollup.ts';

/** The same over all buckets: many times fewer, and all that a report asks of them. */
export function mergeGroups(groups: readonly RollupGroup[]): RollupGroup[] {
  const merged = new Map<string, { -readonly [Field in keyof RollupGroup]: RollupGroup[Field] }>();
  for (const group of groups) {
    const { service, route, mode, outcome, reason, caller, clientAddress, count, firstSeen, lastSeen, requestId } =
      group;
    const key = `${service}\n${route}\n${mode}\n${outcome}\n${reason}\n${clientAddress}\n${caller}`;
    const same = merged.get(key);
    if (!same) {
      merged.set(key, { ...group });
      continue;
    }
    same.count += count;
    if (firstSeen < same.firstSeen) same.firstSeen = firstSeen;
    if (lastSeen < same.lastSeen) continue;
    same.lastSeen = lastSeen;
    same.requestId = requestId;
  }
  return [...merged.values()];
}
