import type { Decision } from './decision.ts';
import { andThen, firstAnswer, isPromise, type MaybePromise } from './maybe-promise.ts';
import type { Mode } from './mode.ts';
import type { ModeSource } from './mode-source.ts';
import type { Policy } from './policy.ts';
import { refusalOf, type Refusal } from './refusal.ts';
import type { AuthRequest } from './request.ts';
import { isPublic, type Route } from './route.ts';
import { unruledRoute, type RouteTable } from './route-table.ts';
import type { Scheme } from './scheme.ts';
import { unrecognised } from './unrecognised.ts';
import { deny, denyPrincipal, type Allowed, type Denied, type Principal, type Verdict } from './verdict.ts';
import { messageOf } from './message-of.ts';

/** Decides on requests: route, then schemes, then policies, then the route's mode. */
export interface Guard {
  /** Never rejects: what cannot be decided is denied as unavailable. */
  decide(request: AuthRequest): Promise<Decision>;
  /** The same, but here at once when nothing had to be awaited; never throws. */
  decideNow(request: AuthRequest): MaybePromise<Decision>;
  /** By which route a request would be judged now; null where its service is not known any more. */
  routeOf(request: AuthRequest): Route | null;
  /** What schemes and rules object to now to somebody who was let pass by this route; null: nothing. Never throws. */
  objectionTo(principal: Principal, request: AuthRequest, route: Route): Denied | null;
  /** Byte for byte the same in every form. The service names whose schemes to challenge with. */
  refusal(denied: Denied, service: string): Refusal;
}

/** How one service is guarded. */
export interface GuardedService {
  /** What each path asks for. */
  readonly table: RouteTable;
  /** Asked in this order; the first that recognises a credential decides. */
  readonly schemes: readonly Scheme[];
  /** 'upstream': the Authorization header belongs to the upstream and is not read here. */
  readonly authorization: 'ours' | 'upstream';
  /** Of routes that do not say it themselves. */
  readonly staleSecondsMax: number;
}

/** What a guard judges by. */
export interface GuardOptions {
  /** Null for a service that is not known. Asked on every request, so that a reload takes effect at once. */
  readonly service: (name: string) => GuardedService | null;
  /** Asked in this order; the first objection decides. */
  readonly policies: readonly Policy[];
  /** Those that are asked again of what lasts, when routes are others by then: they answer at once, by the head of the request alone. */
  readonly lasting?: readonly Policy[];
  /** Which mode a route is in, at the moment of the request. */
  readonly modes: ModeSource;
  /** Break-glass: a credential that it allows bypasses schemes and policies. */
  readonly override?: Scheme | null;
  /** May turn a scheme's refusal into another one, for limits on failed attempts. */
  readonly onRefused?: ((denied: Denied, request: AuthRequest) => MaybePromise<Denied>) | null;
  /** For how long what is in memory may have been behind the store, seconds; null while it is level. Asked on every request. */
  readonly staleSeconds?: (() => number | null) | null;
  /**
   * Why a key that was made elsewhere may be unknown here; null while every one is heard of. Asked only of credentials that are
   * unknown.
   */
  readonly unheard?: (() => string | null) | null;
  /**
   * Whether the credential behind a principal has ended by now; null while it lives. Asked once more of whoever was judged over time,
   * for as long as a body takes to come in, say; `seconds`: how long ago that began.
   */
  readonly ended?: ((principal: Principal, seconds: number) => MaybePromise<'expired' | 'revoked' | null>) | null;
  /** Sees every decision. What it throws is swallowed: evidence never stops a request. */
  readonly observe?: ((decision: Decision, request: AuthRequest) => void) | null;
}

/** A guard of these schemes and policies. What it is given as a function is asked on every request, so a change counts at once. */
export function createGuard(options: GuardOptions): Guard {
  const {
    policies,
    lasting = [],
    modes,
    override = null,
    onRefused = null,
    staleSeconds = null,
    observe = null,
    ended = null,
  } = options;
  const unheard = options.unheard ?? (() => null);

  // Nothing here awaits what is known already: each await would cost a decision more than its routing does.
  function judge(request: AuthRequest, guarded: GuardedService, route: Route): MaybePromise<Verdict> {
    if (!override) return prove(request, guarded, route);
    return andThen(override.authenticate(request), (verdict) => {
      if (verdict === null) return prove(request, guarded, route);
      return verdict.allowed ? verdict : refuse(verdict, request);
    });
  }

  function prove(request: AuthRequest, guarded: GuardedService, route: Route): MaybePromise<Verdict> {
    const stale = staleSeconds?.() ?? null;
    if (stale !== null && stale > (route.staleSecondsMax ?? guarded.staleSecondsMax)) return outdated(stale);
    const answer = firstAnswer(guarded.schemes, (scheme) => scheme.authenticate(request));
    return andThen(answer, (found) => {
      const verdict = found ?? unrecognised(request, guarded.authorization);
      return verdict.allowed ? permit(verdict, request, route) : refuse(heardOf(verdict), request);
    });
  }

  /** What was awaited may have taken its time, and whoever was revoked meanwhile gets nothing through. */
  function stillTrue(verdict: Verdict, started: number): MaybePromise<Verdict> {
    if (!verdict.allowed) return verdict;
    const { principal } = verdict;
    return andThen(ended?.(principal, since(started) / 1_000_000) ?? null, (fault) =>
      fault === null ? verdict : denyPrincipal(principal, fault, `the credential was ${fault} while it was judged`),
    );
  }

  function heardOf(denied: Denied): Denied {
    const why = denied.mayBeNew ? unheard() : null;
    return why === null ? denied : { ...denied, ...notHeardOf(denied, why) };
  }

  function permit(verdict: Allowed, request: AuthRequest, route: Route): MaybePromise<Verdict> {
    const objection = firstAnswer(policies, (policy) => policy.check(verdict.principal, request, route));
    return andThen(objection, (denied) => {
      if (denied === null) return verdict;
      return denied.skewSeconds === null ? { ...denied, skewSeconds: verdict.skewSeconds } : denied;
    });
  }

  function refuse(denied: Denied, request: AuthRequest): MaybePromise<Denied> {
    return onRefused ? onRefused(denied, request) : denied;
  }

  function finish(request: AuthRequest, decision: Decision): Decision {
    try {
      observe?.(decision, request);
    } catch {
      // Evidence must not decide; the audit counts what it drops.
    }
    return decision;
  }

  /** Not even the route, its mode or what a ramp makes of it could be found: nothing says that this may pass. */
  function refusedUnread(error: unknown, request: AuthRequest, started: number): Decision {
    return finish(request, refused(undecidable(error), request.service, started));
  }

  function decideNow(request: AuthRequest): MaybePromise<Decision> {
    const started = performance.now();
    try {
      const guarded = options.service(request.service);
      if (!guarded) {
        const unknown = deny('no_such_service', `no service "${request.service}" is configured`);
        return finish(request, refused(unknown, request.service, started));
      }
      const route = guarded.table.find(request.method, request.path);
      const mode = modes.modeOf(request.service, route.label, route.mode);
      if (mode === 'off' || isPublic(route)) {
        const outcome = mode === 'off' ? 'allow' : 'public';
        return finish(request, { verdict: null, route, mode, outcome, durationMicros: since(started) });
      }
      const judged = (verdict: Verdict, now: Mode): Decision => {
        const held = now === 'report' && modes.enforcedFor?.(verdict, request, route) ? 'enforce' : now;
        const outcome = verdict.allowed ? 'allow' : held === 'enforce' ? 'deny' : 'would_deny';
        return finish(request, { verdict, route, mode: held, outcome, durationMicros: since(started) });
      };
      const pending = verdictOf(request, guarded, route);
      if (!isPromise(pending)) return judged(pending, mode);
      // A mode may have been set meanwhile. What was begun to be judged is: off computes nothing, and here is a verdict.
      const lateMode = (): Mode => {
        const late = modes.modeOf(request.service, route.label, route.mode);
        return late === 'off' ? mode : late;
      };
      return pending
        .then((verdict) => andThen(stillTrue(verdict, started), (late) => judged(late, lateMode())))
        .catch((error: unknown) => judged(undecidable(error), mode))
        .catch((error: unknown) => refusedUnread(error, request, started));
    } catch (error) {
      return refusedUnread(error, request, started);
    }
  }

  /** Never throws or rejects: who cannot be judged is denied. */
  function verdictOf(request: AuthRequest, guarded: GuardedService, route: Route): MaybePromise<Verdict> {
    try {
      const pending = judge(request, guarded, route);
      return isPromise(pending) ? pending.catch(undecidable) : pending;
    } catch (error) {
      return undecidable(error);
    }
  }

  return {
    decide: (request) => Promise.resolve(decideNow(request)),

    decideNow,

    objectionTo(principal, request, route) {
      if (override !== null && principal.scheme === override.name) return null;
      try {
        if (!isStillProven(principal, options.service(request.service)))
          return denyPrincipal(
            principal,
            'invalid_credentials',
            `${principal.scheme} proves it no more at this service`,
          );
        const objection = firstAnswer(lasting, (policy) => policy.check(principal, request, route));
        if (!isPromise(objection)) return objection;
        objection.catch(() => undefined);
        return null;
      } catch {
        // Nothing is cut off on a guess; whoever comes anew is refused.
        return null;
      }
    },

    routeOf: ({ service, method, path }) => options.service(service)?.table.find(method, path) ?? null,

    refusal(denied, service) {
      const challenges: string[] = [];
      const further: Record<string, string> = {};
      for (const scheme of options.service(service)?.schemes ?? []) {
        Object.assign(further, scheme.refusalHeaders?.(denied));
        const challenge = scheme.challenge(denied);
        if (challenge === null || challenges.includes(challenge)) continue;
        challenges.push(challenge);
      }
      return refusalOf(denied, inOrder(challenges), further);
    },
  };
}

/**
 * Simple clients read only the first challenge, and Bearer is the one that they know. There is one of it: of the schemes that
 * take a Bearer, that counts which says most, where to get a token say.
 */
function inOrder(challenges: readonly string[]): string[] {
  const isBearer = (challenge: string): boolean => challenge.startsWith('Bearer ');
  const [fullest] = challenges.filter(isBearer).sort((one, other) => other.length - one.length);
  return [...(fullest === undefined ? [] : [fullest]), ...challenges.filter((challenge) => !isBearer(challenge))];
}

function isStillProven(principal: Principal, guarded: GuardedService | null): boolean {
  const scheme = guarded?.schemes.find(({ name }) => name === principal.scheme);
  return scheme !== undefined && (scheme.stillProves?.(principal) ?? true);
}

/** An outage says 503, never 401: a caller must not throw away a good credential because a store was away. */
function undecidable(error: unknown): Denied {
  const code = (error as { code?: unknown } | null)?.code;
  if (code === 'body_too_large') return deny('too_large', 'the signed body is larger than maxSignedBody');
  if (code === 'no_room_for_body')
    return deny('unavailable', 'too many bodies are held until they are judged', { retryAfter: 1 });
  if (code === 'body_unavailable') return deny('bad_request', 'the request body ended before it was complete');
  const note = messageOf(error);
  return deny('unavailable', `could not decide: ${note}`, { retryAfter: 1 });
}

/** What is unknown may be a new key: as in every outage, 503. */
function notHeardOf({ note }: Denied, why: string): Pick<Denied, 'reason' | 'note' | 'retryAfter'> {
  return { reason: 'unavailable', note: `${note}, but it may be new: ${why}`, retryAfter: 1 };
}

/** Whom the store has revoked since is not known here: a guess in the caller's favour would be an opening. */
function outdated(staleSeconds: number): Denied {
  const note = `what is known of keys and modes is ${staleSeconds.toFixed(1)} s behind the store, longer than onStoreOutage allows`;
  return deny('unavailable', note, { retryAfter: 1 });
}

/** Refused before a route was known, so whatever the modes say. */
function refused(verdict: Denied, service: string, started: number): Decision {
  return { verdict, route: unruledRoute(service), mode: 'enforce', outcome: 'deny', durationMicros: since(started) };
}

function since(started: number): number {
  return (performance.now() - started) * 1000;
}
