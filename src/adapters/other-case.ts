import { ConfigError, wholeFault } from '../compose/faults.ts';
import type { Protection } from '../compose/protection/protection.ts';
import type { RouteRule } from '../core/route.ts';
import { routeTable, type RouteTable } from '../core/route-table.ts';

/** Whether a rule names this path, but in another case. */
export type OtherCase = (method: string, path: string) => boolean;

/** A path as a framework that ignores case compares it. */
export type Fold = (path: string) => string;

interface Tables {
  readonly rules: readonly RouteRule[];
  /** Null: two rules differ in their case only, so no path is safe. */
  readonly pair: { readonly exact: RouteTable; readonly folded: RouteTable } | null;
  readonly allLower: boolean;
}

/**
 * For frameworks that route without regard to case: /ADMIN reaches the handler of /admin there, while rules tell the two
 * apart, so it would pass by the rule. Throws a ConfigError when two rules differ in their case only.
 */
export function otherCase({ service, stack }: Protection, folded: Fold = foldedAscii): OtherCase {
  const rulesNow = () => stack.service(service)?.rules ?? [];
  let tables = tablesOf(service, rulesNow(), folded);
  if (tables.pair === null)
    throw new ConfigError('protect', [
      wholeFault(
        `two rules of ${service} differ in their case only, and this framework ignores case`,
        'have its router mind case, and say so (caseSensitive: true)',
      ),
    ]);
  return (method, path) => {
    const rules = rulesNow();
    if (rules !== tables.rules) tables = tablesOf(service, rules, folded);
    const { pair, allLower } = tables;
    if (pair === null) return true;
    const low = folded(path);
    if (low === path && allLower) return false;
    return folded(pair.exact.find(method, path).label) !== pair.folded.find(method, low).label;
  };
}

function tablesOf(service: string, rules: readonly RouteRule[], folded: Fold): Tables {
  const low = rules.map((rule) => ({ ...rule, path: folded(rule.path) }));
  const allLower = low.every(({ path }, index) => path === rules[index]?.path);
  try {
    return { rules, allLower, pair: { exact: routeTable(service, rules), folded: routeTable(service, low) } };
  } catch {
    return { rules, allLower, pair: null };
  }
}

/** ASCII letters in lower case, but for those of percent-encodings, which are upper case in a normalised path. */
function foldedAscii(path: string): string {
  if (!path.includes('%')) return path.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
  return path.replace(/%[0-9A-Fa-f]{2}|[A-Z]+/g, (part) => (part.startsWith('%') ? part : part.toLowerCase()));
}

/** As find-my-way has it: decoded first, and every letter of Unicode lowered, the Kelvin sign to k too. */
export function foldedUnicode(path: string): string {
  const low = path.replace(/(?:%[89A-F][0-9A-F])+/gi, decoded).toLowerCase();
  const encoded = low.replace(/[\u0080-\u{10ffff}]+/gu, encodeURIComponent);
  return encoded.replace(/%[0-9a-f]{2}/g, (escape) => escape.toUpperCase());
}

/** What is no UTF-8 stays as it is: no handler is found by it. */
function decoded(escapes: string): string {
  try {
    return decodeURIComponent(escapes);
  } catch {
    return escapes;
  }
}
