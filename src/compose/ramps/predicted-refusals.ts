import type { RefusalGroup } from '../../audit/report/refusal-groups.ts';
import { callerWords } from '../../audit/report/words.ts';
import { listed } from '../../core/listed.ts';
import { isExempt, meansRoute, routeName, type RampPlan } from '../../rollout/ramp/plan.ts';

/** Whom a step would refuse, by what was recorded. */
export interface Prediction {
  /** From 1. */
  readonly step: number;
  readonly callers: readonly string[];
  /** Whom nobody knows, so that no gate waits for them: the operator alone can tell whether one of them is ours. */
  readonly strangers: readonly string[];
}

const addressesShown = 5;
const routesShown = 3;

/** Steps that would refuse nobody are left out. */
export function predictedRefusals(
  plan: RampPlan,
  refusals: readonly RefusalGroup[],
  knows: (caller: string) => boolean,
  now: number,
): Prediction[] {
  return plan.steps.flatMap(({ routes }, index) => {
    const meant = refusals.filter((one) => meansRoute(routes, one.service, one.route) && !isLetPass(plan, one, now));
    const known = meant.filter(({ caller }) => knows(caller));
    const callers = new Set(
      known.map(({ caller, service, route, reason }) => `${caller} at ${routeName(service, route)} (${reason})`),
    );
    const strangers = strangersIn(meant, knows).map(({ who, routes: at, reason }) => `${who} at ${at} (${reason})`);
    return callers.size + strangers.length === 0 ? [] : [{ step: index + 1, callers: [...callers], strangers }];
  });
}

export interface Strangers {
  /** Whoever has no name is told by address. */
  readonly who: string;
  readonly routes: string;
  readonly reason: string;
  readonly requests: number;
}

/** One for all that is refused to the same for the same reason, wherever they ask. */
export function strangersIn(refusals: readonly RefusalGroup[], knows: (caller: string) => boolean): Strangers[] {
  const strange = refusals.filter(({ caller }) => !knows(caller));
  const alike = Map.groupBy(strange, (one) => JSON.stringify([whoWords(one), one.reason]));
  return [...alike.values()].flatMap((same) =>
    same.slice(0, 1).map((first) => ({
      who: whoWords(first),
      routes: listed(
        same.map(({ service, route }) => routeName(service, route)),
        routesShown,
      ),
      reason: first.reason,
      requests: same.reduce((sum, { count }) => sum + count, 0),
    })),
  );
}

function whoWords({ caller, client_addresses, address_count }: RefusalGroup): string {
  if (caller.includes(':')) return caller;
  return `${callerWords(caller)} from ${listed(client_addresses.toSorted(), addressesShown, address_count)}`;
}

/** Wherever it called from: where more addresses are counted than are listed, none of them excuses it. */
function isLetPass({ exempt }: RampPlan, { caller, service, route, ...from }: RefusalGroup, now: number): boolean {
  const addresses = from.address_count > from.client_addresses.length ? [''] : from.client_addresses;
  return addresses.every((address) => isExempt(exempt, { caller, address, service, label: route }, now));
}
