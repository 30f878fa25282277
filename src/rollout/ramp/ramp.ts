import type { Clock } from '../../core/clock.ts';
import { follow, toRecords } from '../../core/follow.ts';
import { isOperatorProbe } from '../../core/probe.ts';
import type { AuthRequest } from '../../core/request.ts';
import type { Route } from '../../core/route.ts';
import type { Store } from '../../core/store.ts';
import type { Denied, Verdict } from '../../core/verdict.ts';
import { messageOf } from '../../core/message-of.ts';
import { cohort } from './cohort.ts';
import { culpritWords } from './gates.ts';
import { isExempt, routeName } from './plan.ts';
import { changeRamp, rampTopicId, storedRamp } from './record.ts';
import { rampShare, type RampShare } from './share.ts';
import { isMishap, rolledBack, wasKept, type Culprit, type RampState } from './state.ts';

/** The ramp as every replica has it in memory: what it enforces, and whom that refuses. */
export interface Ramp {
  /**
   * Whether a route in report is enforced for whoever asks. In a step that is being tried, the refusal of a known caller beyond
   * what the plan puts up with is not enforced any more: the step is rolled back here at once, and everywhere as soon as the
   * store has it. Of whom nobody was asked (null) nothing is known, so only what holds for everybody holds for them.
   */
  enforcedFor(verdict: Verdict | null, request: AuthRequest, route: Route): boolean;
  state(): RampState | null;
  /** Since when the ramp is known to be behind the store, by performance.now(); null while it is level. */
  behindSince(): number | null;
  close(): void;
}

export interface RampOptions {
  readonly store: Pick<Store, 'records' | 'watch'>;
  readonly clock: Clock;
  /** See Modes: what was set by hand since the ramp was ordered on counts before it. */
  readonly modes: {
    version(): number;
    loweredAt(service: string, routeLabel: string): number | null;
  };
  /** Whether somebody of this principal id is one of ours; asked of those who only claim to be it. */
  readonly isOurs: (callerId: string) => boolean;
  /** A step was rolled back because of what was seen here. */
  readonly onRolledBack: (state: RampState, step: number) => void;
  readonly onWarning: (text: string) => void;
}

/** What follows from the state and the modes; made anew when one of them changes. */
interface Held {
  readonly state: RampState;
  readonly modesVersion: number;
  readonly place: (caller: string) => number;
  readonly routes: Map<string, Map<string, RampShare | null>>;
}

const retryMillis = 500;
const culpritsMax = 20;

/** Rejects when the store cannot be read; later on the last known state stays. */
export async function ramp({ store, clock, modes, isOurs, onRolledBack, onWarning }: RampOptions): Promise<Ramp> {
  let state = await storedRamp(store.records, clock());
  let held: Held | null = null;
  /** Steps that were rolled back here, and perhaps not in the store yet; by step and order. */
  const tripped = new Set<string>();
  const refused = new Map<string, { count: number; readonly culprits: Culprit[] }>();
  let closed = false;

  const following = follow({
    store,
    concerns: toRecords(rampTopicId),
    async read() {
      const before = state;
      state = await storedRamp(store.records, clock());
      // One that is withdrawn or through stays there.
      if (before !== null && state === null)
        onWarning(
          `the ramp ${before.plan.name} is gone from the store, and what it enforced is as the modes say: see countersign mode get, and start it anew`,
        );
    },
    onFailure: (words) => onWarning(`the ramp cannot be read: ${words}; it stays as it was`),
  });

  const nameOf = ({ orderedAt }: RampState, step: number): string => `${step} ${orderedAt}`;

  function heldNow(now: RampState): Held {
    if (held?.state === now && held.modesVersion === modes.version()) return held;
    const place = held?.state.salt === now.salt ? held.place : cohort(now.salt);
    return (held = { state: now, modesVersion: modes.version(), place, routes: new Map() });
  }

  function enforced({ state: now, routes }: Held, service: string, label: string): RampShare | null {
    let labels = routes.get(service);
    if (!labels) routes.set(service, (labels = new Map()));
    let found = labels.get(label);
    if (found === undefined) labels.set(label, (found = enforcedBy(now, service, label)));
    return found;
  }

  function enforcedBy(now: RampState, service: string, label: string): RampShare | null {
    const isTripped = (step: number): boolean => tripped.has(nameOf(now, step));
    return rampShare(now, service, label, { loweredAt: modes.loweredAt(service, label), isTripped });
  }

  /** True when the refusal is one too many. */
  function breaks(now: RampState, step: number, denied: Denied, { service, label }: Route, requestId: string): boolean {
    const { caller, reason, skewSeconds } = denied;
    if (caller === null || !isMishap(reason, wasKept(skewSeconds))) return false;
    if (!caller.proven && (now.plan.gates.claims === 'ignore' || !isOurs(caller.id))) return false;
    const seen = refused.get(nameOf(now, step)) ?? { count: 0, culprits: [] };
    refused.set(nameOf(now, step), seen);
    seen.count += 1;
    const name = caller.proven ? caller.id : `${caller.id}?`;
    const culprit = { caller: name, route: routeName(service, label), reason, requestId };
    if (seen.culprits.length < culpritsMax) seen.culprits.push(culprit);
    if (seen.count <= now.plan.failureLimit) return false;
    tripped.add(nameOf(now, step));
    held = null;
    void writeRollback(now, step, seen.culprits);
    return true;
  }

  function isLetPass(
    { plan }: RampState,
    caller: string | null,
    { remoteAddress }: AuthRequest,
    route: Route,
  ): boolean {
    const { service, label } = route;
    return plan.exempt.length > 0 && isExempt(plan.exempt, { caller, address: remoteAddress, service, label }, clock());
  }

  async function writeRollback({ orderedAt }: RampState, step: number, culprits: readonly Culprit[]): Promise<void> {
    const findings = [`known callers were refused: ${culpritWords(culprits)}`];
    const isOver = (): boolean => closed;
    let told = false;
    while (!isOver()) {
      try {
        const next = await changeRamp(store.records, clock, (now) =>
          now?.orderedAt === orderedAt ? rolledBack(now, step, findings, culprits) : null,
        );
        if (next) onRolledBack(next, step);
        return;
      } catch (error) {
        // Here it holds already; the others go on by themselves, and stop by themselves.
        const words = messageOf(error);
        if (!told) onWarning(`a step of the ramp is rolled back here, and not in the store yet: ${words}`);
        told = true;
        await new Promise((resolve) => setTimeout(resolve, retryMillis).unref());
      }
    }
  }

  return {
    enforcedFor(verdict, request, route) {
      const now = state;
      if (now === null || now.status === 'withdrawn') return false;
      const current = heldNow(now);
      const found = enforced(current, route.service, route.label);
      if (found === null) return false;
      if (verdict === null) return found.percent === 100 && !isLetPass(now, null, request, route);
      const caller = verdict.allowed ? verdict.principal.id : (verdict.caller?.id ?? null);
      const isWithin = (percent: number): boolean =>
        percent === 100 || current.place(caller ?? request.remoteAddress) < percent;
      if (!isWithin(found.percent)) return false;
      if (verdict.allowed) return true;
      if (isLetPass(now, verdict.caller?.proven ? verdict.caller.id : null, request, route)) return false;
      // An operator who asks what would become of it is refused nothing.
      if (isWithin(found.passedPercent) || isOperatorProbe(request.requestId)) return true;
      const tried = found.tried.findLast(({ percent }) => isWithin(percent));
      return tried === undefined || !breaks(now, tried.step, verdict, route, request.requestId);
    },
    state: () => state,
    behindSince: following.behindSince,
    close() {
      closed = true;
      following.close();
    },
  };
}
