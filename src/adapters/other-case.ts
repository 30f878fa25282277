import type { Protection } from '../compose/protection.ts';
import type { RouteRule } from '../core/route.ts';
import { routeTable, type RouteTable } from '../core/route-table.ts';

/** Whether a rule names this path, but in another case. */
export type OtherCase = (method: string, path: string) => boolean;

interface Tables {
  readonly rules: readonly RouteRule[];
  /** Null: two rules differ in their case only, so no path is safe. */
  readonly pair: { readonly exact: RouteTable; readonly folded: RouteTable } | null;
  readonly allLower: boolean;
}

/**
 * For frameworks that route without regard to case: /ADMIN reaches the handler of /admin there, while rules tell the two
 * apart, so it would pass by the rule. Throws a TypeError when two rules differ in their case only.
 */
export function otherCase({ service, stack }: Protection): OtherCase {
  const rulesNow = () => stack.service(service)?.rules ?? [];
  let tables = tablesOf(service, rulesNow());
  if (tables.pair === null)
    throw new TypeError(`protect: two rules of ${service} differ in their case only, and this framework ignores case`);
  return (method, path) => {
    const rules = rulesNow();
    if (rules !== tables.rules) tables = tablesOf(service, rules);
    const { pair, allLower } = tables;
    if (pair === null) return true;
    const low = folded(path);
    if (low === path && allLower) return false;
    return folded(pair.exact.find(method, path).label) !== pair.folded.find(method, low).label;
  };
}

function tablesOf(service: string, rules: readonly RouteRule[]): Tables {
  const low = rules.map((rule) => ({ ...rule, path: folded(rule.path) }));
  const allLower = low.every(({ path }, index) => path === rules[index]?.path);
  try {
    return { rules, allLower, pair: { exact: routeTable(service, rules), folded: routeTable(service, low) } };
  } catch {
    return { rules, allLower, pair: null };
  }
}

/** ASCII letters in lower case, but for those of percent-encodings, which are upper case in a normalised path. */
function folded(path: string): string {
  if (!path.includes('%')) return path.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
  return path.replace(/%[0-9A-Fa-f]{2}|[A-Z]+/g, (part) => (part.startsWith('%') ? part : part.toLowerCase()));
}
