import type { RouteRule } from '../core/route.ts';
import { routeTable } from '../core/route-table.ts';
import type { DecisionRow } from '../core/store.ts';
import { routeKey } from '../core/target.ts';
import type { Reason } from '../core/verdict.ts';
import { endpoints, type Endpoints, type Place } from './endpoints.ts';

/** What was asked of one service, as far as something can be learned from it. */
export interface Traffic {
  /** By callers who were proven, and allowed but for a clock or a key that they can mend. */
  readonly proven: Endpoints;
  /** By whoever else passed, and must go on passing, but teaches nothing. */
  readonly others: Endpoints;
  /** Without a credential where one is asked for: by addresses. */
  readonly unsigned: Endpoints;
  /** True when it teaches who needs what. */
  see(row: DecisionRow): boolean;
}

export function traffic(service: string, rules: readonly RouteRule[], pathsMax: number): Traffic {
  const table = routeTable(service, rules);
  const [proven, others, unsigned] = [endpoints(pathsMax), endpoints(pathsMax), endpoints(pathsMax)];

  // Where a path was cut it is longer than any that a rule writes out, so what is left of it finds its rule.
  function placeOf({ method, path }: DecisionRow): Place {
    const left = routeKey(path.replace(/…$/, ''));
    return { path: left, labelNow: table.find(method, left).label };
  }

  return {
    proven,
    others,
    unsigned,
    see(row) {
      if (row.route === '') return false;
      if (teaches(row)) {
        proven.add(row, placeOf(row), row.principal);
        return true;
      }
      if (passes(row)) others.add(row, placeOf(row), row.principal);
      else if (row.reason === 'missing_credentials' && isWhole(row)) unsigned.add(row, placeOf(row), row.clientAddress);
      return false;
    },
  };
}

/** Only who was proven and passed: what a stranger asks for, or somebody is refused, says nothing about what is needed. */
function teaches(row: DecisionRow): boolean {
  return row.outcome !== 'public' && passes(row) && !row.principal.startsWith('operator:') && isWhole(row);
}

/** Of proven callers who passed while nothing was enforced: once clock or key is mended, they need what they asked for. */
const mendable: ReadonlySet<string> = new Set<Reason>(['timestamp_outside_window', 'expired']);

/** By a rule of then: break-glass passes whatever the rules say, and in mode off nobody was looked at. */
function passes({ outcome, principal, reason, mode }: DecisionRow): boolean {
  if (outcome === 'public') return true;
  const passed = outcome === 'allow' ? reason === '' : outcome === 'would_deny' && mendable.has(reason);
  return passed && mode !== 'off' && principal !== '' && principal !== 'operator:break-glass';
}

/** As it was asked for, and as a rule can have it. */
function isWhole({ path, method }: DecisionRow): boolean {
  return !path.endsWith('…') && /^[A-Z]{1,16}$/.test(method);
}
