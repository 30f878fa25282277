import { rulePathKey } from '../core/route-table.ts';

/**
 * Which paths are one endpoint: /models/7 and /models/8 are /models/:id. A segment that could only be an identifier is taken for
 * one at once; any other only where several values stand at the same place and nothing else differs.
 */
export function patternsOf(paths: readonly string[]): Map<string, string> {
  const patterns = new Map(paths.map((path) => [path, path.split('/').map(identifierSegment)]));
  const longest = Math.max(0, ...[...patterns.values()].map((segments) => segments.length));
  for (let place = 1; place < longest; place += 1) {
    const alike = Map.groupBy(
      [...patterns.values()].filter((segments) => segments.length > place),
      (segments) => segments.toSpliced(place, 1, '').join('/'),
    );
    for (const group of alike.values()) {
      const values = new Set(group.map((segments) => segments[place]).filter((value) => !value?.startsWith(':')));
      if (values.size < valuesMin) continue;
      for (const segments of group) if (!segments[place]?.startsWith(':')) segments[place] = ':name';
    }
  }
  return oneSpelling(new Map([...patterns].map(([path, segments]) => [path, distinctNames(segments).join('/')])));
}

/** /models/:id and /models/:name mean the same paths: whatever is called so first names all of them. */
function oneSpelling(patterns: ReadonlyMap<string, string>): Map<string, string> {
  const first = new Map<string, string>();
  for (const pattern of patterns.values()) {
    const key = rulePathKey(pattern);
    if (!first.has(key)) first.set(key, pattern);
  }
  return new Map([...patterns].map(([path, pattern]) => [path, first.get(rulePathKey(pattern)) ?? pattern]));
}

const valuesMin = 5;
const identifier = /^(?:[0-9]+|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{16,})$/i;

function identifierSegment(segment: string): string {
  return identifier.test(segment) ? ':id' : segment;
}

/** /a/:id/b/:id2: two parameters of one rule are told apart. */
function distinctNames(segments: readonly string[]): string[] {
  const seen = new Map<string, number>();
  return segments.map((segment) => {
    if (!segment.startsWith(':')) return segment;
    const count = (seen.get(segment) ?? 0) + 1;
    seen.set(segment, count);
    return count === 1 ? segment : `${segment}${count}`;
  });
}

/** Whether it means one path only. */
export function isLiteral(pattern: string): boolean {
  return !pattern.split('/').some((segment) => segment.startsWith(':') || segment.includes('*'));
}

export function hasParameter(pattern: string): boolean {
  return pattern.includes('/:');
}

/** Whether some path could be meant by both. */
export function overlap(a: string, b: string): boolean {
  const [left, right] = [a.split('/'), b.split('/')];
  for (let place = 1; place < Math.max(left.length, right.length); place += 1) {
    const [one, other] = [left[place], right[place]];
    if (one === '*' || other === '*') return true;
    if (one === undefined || other === undefined) return false;
    if (one !== other && !one.startsWith(':') && !other.startsWith(':')) return false;
  }
  return true;
}
