import { failedLater, isProvenCaller, type RollupGroup, type RollupMeasure } from '../../core/rollup.ts';
import type { Store } from '../../core/store.ts';
import { endingKeys, type EndingKey, type LastingKey } from './ending-keys.ts';
import { meansRoute, routeName, type Asker, type RampStep } from './plan.ts';
import { isMishap, outsideWindow, wasKept, type Culprit } from './state.ts';

/** Whom nobody knows, and a step refused: nothing waits for it, but the operator may know it. */
export interface Stranger {
  /** '' without a name; with a question mark behind it: it only claims to be that. */
  readonly caller: string;
  readonly address: string;
  readonly route: string;
  readonly reason: string;
  readonly requests: number;
  readonly requestId: string;
}

/** What is known of one step since it is watched. */
export interface Evidence {
  /** From when on it is counted, epoch seconds; right after the beginning of a step that lies ahead. */
  readonly countedFrom: number;
  /** Who proved who it is and asked at its routes, whether the step is for it or not. */
  readonly callers: readonly string[];
  /** Requests to its routes that were allowed to somebody who proved who it is: nobody else's tell whether enforcing goes well. */
  readonly allowed: number;
  /** Of these requests, and of no others, those that the service then did not answer. */
  readonly upstreamFailures: number;
  /** Refused by what the step enforces, and by nothing else. */
  readonly refused: readonly Culprit[];
  /** How many of their requests were. */
  readonly refusedRequests: number;
  /** Not refused yet, since the step is not for them, or their route is not enforced: the rest of the ramp would. */
  readonly wouldBeRefused: readonly Culprit[];
  /** Refused by what the step enforces, and known to nobody; the most frequent first. */
  readonly strangers: readonly Stranger[];
  /** How long it takes to decide on those who are proven and allowed, microseconds; null where nobody was. */
  readonly decisionMicros: number | null;
  /** Services of its routes, and how long their answers take; null where none was timed. */
  readonly answers: readonly { readonly service: string; readonly micros: number | null }[];
  /** Callers of its routes, and by how many seconds their clock was off at most; without requests that were kept. */
  readonly skews: readonly { readonly caller: string; readonly seconds: number }[];
  /** Keys of callers of its routes that end within the time asked about, and are the last ones or in use. */
  readonly endingKeys: readonly EndingKey[];
  /** Counts that another program made so that they cannot be read: whose they were is not known. */
  readonly unreadable: number;
  /** Null where no address is named. */
  readonly health: 'well' | string | null;
}

export interface EvidenceQuestion {
  readonly step: RampStep;
  /** Epoch seconds. */
  readonly since: number;
  readonly until: number;
  /** Whether a caller, as the roll-ups name it, is one of ours. */
  readonly knows: (caller: string) => boolean;
  readonly isExempt: (asker: Asker) => boolean;
  /** Whether they would be refused without the step too: by the mode of the route, or by a step that has passed. */
  readonly isRefusedAnyway: (asker: Asker) => boolean;
  /** Until when keys must last, epoch seconds; null: they are not looked at. */
  readonly keysUntil: number | null;
  /** Keys of callers that lie elsewhere than in the store. */
  readonly keysElsewhere?: readonly LastingKey[];
  readonly health: Evidence['health'];
}

/** Whole minutes only: what happened before the step began would count against it. */
const minute = 60;
const nothing = { groups: [], measures: [], unreadable: 0 };

/** Rejects when the store cannot be read. */
export async function evidenceOf(
  store: Pick<Store, 'decisions' | 'keys' | 'usage'>,
  { step, since, until, knows, isExempt, isRefusedAnyway, keysUntil, keysElsewhere = [], health }: EvidenceQuestion,
): Promise<Evidence> {
  const from = Math.ceil(since / minute) * minute;
  const rollups = until > from ? await store.decisions.rollups(from, until) : nothing;
  const measures = rollups.measures.filter(({ start }) => start >= from);
  const meant = rollups.groups.filter(
    ({ start, service, route }) => start >= from && meansRoute(step.routes, service, route),
  );
  const judged = meant.filter((group) => group.outcome !== 'public' && group.mode !== 'off' && !failedLater(group));
  const callers = new Set(meant.map(({ caller }) => caller));
  const onlyKept = callersOnlyKept(
    rollups.groups.filter(({ start }) => start >= from),
    measures,
  );
  const services = new Set(meant.map(({ service }) => service));
  const ours = judged.filter(
    (group) => knows(group.caller) && isMishap(group.reason, onlyKept.has(group.caller)) && !isExempt(askerOf(group)),
  );
  const isRefused = (group: RollupGroup): boolean =>
    group.outcome === 'deny' && group.mode === 'enforce' && !isRefusedAnyway(askerOf(group));
  const refused = ours.filter(isRefused);
  return {
    countedFrom: from,
    callers: [...callers].filter(tells).sort(),
    allowed: countOf(judged.filter(({ outcome, caller }) => outcome === 'allow' && tells(caller))),
    upstreamFailures: countOf(meant.filter((group) => failedLater(group) && tells(group.caller))),
    refused: culpritsOf(refused),
    refusedRequests: countOf(refused),
    wouldBeRefused: culpritsOf(ours.filter(({ outcome }) => outcome === 'would_deny')),
    strangers: strangersOf(judged.filter((group) => !knows(group.caller) && isRefused(group))),
    decisionMicros: slowest(measures.filter(({ kind, name }) => kind === 'proving' && services.has(name))),
    answers: [...services].map((service) => ({
      service,
      micros: slowest(measures.filter(({ kind, name }) => kind === 'answer' && name === service)),
    })),
    skews: farthest(measures.filter((one) => one.kind === 'skew' && callers.has(one.name) && !wasKept(one.most))),
    endingKeys:
      keysUntil === null
        ? []
        : await endingKeys(store, { elsewhere: keysElsewhere, callers, since, now: until, until: keysUntil }),
    unreadable: rollups.unreadable,
    health,
  };
}

/** What is let in through broken glass was asked for no credential. */
function tells(caller: string): boolean {
  return isProvenCaller(caller) && caller !== 'operator:break-glass';
}

function askerOf({ caller, clientAddress, service, route }: RollupGroup): Asker {
  return { caller, address: clientAddress, service, label: route };
}

function countOf(groups: readonly RollupGroup[]): number {
  return groups.reduce((sum, { count }) => sum + count, 0);
}

/** One for each caller, route and reason. */
function culpritsOf(groups: readonly RollupGroup[]): Culprit[] {
  const found = new Map<string, Culprit>();
  for (const { caller, service, route, reason, requestId } of groups)
    found.set(JSON.stringify([caller, service, route, reason]), {
      caller,
      route: routeName(service, route),
      reason,
      requestId,
    });
  return [...found.values()];
}

/** One for each caller, address, route and reason. */
function strangersOf(groups: readonly RollupGroup[]): Stranger[] {
  const alike = Map.groupBy(groups, ({ caller, clientAddress, service, route, reason }) =>
    JSON.stringify([caller, clientAddress, service, route, reason]),
  );
  return [...alike.values()]
    .flatMap((same): Stranger[] => {
      const last = same.reduce((late, group) => (group.lastSeen > late.lastSeen ? group : late));
      const { caller, clientAddress: address, service, route, reason, requestId } = last;
      return [{ caller, address, route: routeName(service, route), reason, requests: countOf(same), requestId }];
    })
    .sort((a, b) => b.requests - a.requests);
}

/** The end of the slot in which the hundredth part from above begins. */
function slowest(measures: readonly RollupMeasure[]): number | null {
  const bySlot = measures.toSorted((a, b) => b.most - a.most);
  const total = measures.reduce((sum, { count }) => sum + count, 0);
  let above = 0;
  for (const { count, most } of bySlot) {
    above += count;
    if (above > total / 100) return most;
  }
  return null;
}

/**
 * Callers of whom no request was outside its window but such as somebody kept. How far each was off is not known, only how many
 * were how far: of a caller whose clock is off as well there are more of them than were kept.
 */
function callersOnlyKept(
  groups: readonly RollupGroup[],
  measures: readonly RollupMeasure[],
): Pick<ReadonlySet<string>, 'has'> {
  const left = new Map<string, number>();
  for (const { caller, reason, count } of groups)
    if (reason === outsideWindow) left.set(caller, (left.get(caller) ?? 0) + count);
  for (const { kind, name, count, most } of measures)
    if (kind === 'skew' && wasKept(most) && left.has(name)) left.set(name, (left.get(name) ?? 0) - count);
  return { has: (caller) => (left.get(caller) ?? 1) <= 0 };
}

function farthest(measures: readonly RollupMeasure[]): Evidence['skews'] {
  const off = new Map<string, number>();
  for (const { name, least, most } of measures) {
    const seconds = Math.abs(least) > Math.abs(most) ? least : most;
    if (Math.abs(seconds) > Math.abs(off.get(name) ?? 0)) off.set(name, seconds);
  }
  return [...off].map(([caller, seconds]) => ({ caller, seconds }));
}
