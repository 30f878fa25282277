import type { RollupGroup } from '../../core/rollup.ts';

/** The same over all buckets: many times fewer, and all that a report asks of them. */
export function mergeGroups(groups: readonly RollupGroup[]): RollupGroup[] {
  const ruled = new Set(groups.flatMap(({ service, route }) => (route === '/*' ? [service] : [])));
  const merged = new Map<string, { -readonly [Field in keyof RollupGroup]: RollupGroup[Field] }>();
  for (const seen of groups) {
    // What had no rule before there was one for all of the service, as `learn` writes it: both are called /<service>/*.
    const group = seen.route === '*' && ruled.has(seen.service) ? { ...seen, route: '/*' } : seen;
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
