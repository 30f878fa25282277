import type { RefusalGroup } from '../../audit/refusal-groups.ts';
import { callerWords } from '../../audit/report-words.ts';
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

/** Steps that would refuse nobody are left out. */
export function predictedRefusals(
  plan: RampPlan,
  refusals: readonly RefusalGroup[],
  knows: (caller: string) => boolean,
  now: number,
): Prediction[] {
  return plan.steps.flatMap(({ routes }, index) => {
    const meant = refusals.filter((one) => meansRoute(routes, one.service, one.route) && !isLetPass(plan, one, now));
    const wordsOf = (groups: readonly RefusalGroup[]): string[] => [
      ...new Set(groups.map((one) => `${whoWords(one)} at ${routeName(one.service, one.route)} (${one.reason})`)),
    ];
    const callers = wordsOf(meant.filter(({ caller }) => knows(caller)));
    const strangers = wordsOf(meant.filter(({ caller }) => !knows(caller)));
    return callers.length + strangers.length === 0 ? [] : [{ step: index + 1, callers, strangers }];
  });
}

/** Whoever has no name is told by address. */
export function whoWords({ caller, client_addresses, address_count }: RefusalGroup): string {
  if (caller.includes(':')) return caller;
  const shown = client_addresses.slice(0, addressesShown);
  const more = address_count - shown.length;
  return `${callerWords(caller)} from ${[...shown, ...(more > 0 ? [`${more} more`] : [])].join(', ')}`;
}

/** Wherever it called from: where more addresses are counted than are listed, none of them excuses it. */
function isLetPass({ exempt }: RampPlan, { caller, service, route, ...from }: RefusalGroup, now: number): boolean {
  const addresses = from.address_count > from.client_addresses.length ? [''] : from.client_addresses;
  return addresses.every((address) => isExempt(exempt, { caller, address, service, label: route }, now));
}
