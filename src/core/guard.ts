import type { Decision } from './decision.ts';
import { isPromise, type MaybePromise } from './maybe-promise.ts';
import type { ModeSource } from './mode.ts';
import type { Policy } from './policy.ts';
import { refusalOf, type Refusal } from './refusal.ts';
import type { AuthRequest } from './request.ts';
import type { Route } from './route.ts';
import type { RouteTable } from './route-table.ts';
import type { Scheme } from './scheme.ts';
import { unrecognised } from './unrecognised.ts';
import { deny, type Denied, type Verdict } from './verdict.ts';

export interface Guard {
  /** Never rejects: what cannot be decided is denied as unavailable. */
  decide(request: AuthRequest): Promise<Decision>;
  /** Byte for byte the same in every form. The service names whose schemes to challenge with. */
  refusal(denied: Denied, service: string): Refusal;
}

/** How one service is guarded. */
export interface GuardedService {
  readonly table: RouteTable;
  /** Asked in this order; the first that recognises a credential decides. */
  readonly schemes: readonly Scheme[];
  /** 'upstream': the Authorization header belongs to the upstream and is not read here. */
  readonly authorization: 'ours' | 'upstream';
}

export interface GuardOptions {
  /** Null for a service that is not known. Asked on every request, so that a reload takes effect at once. */
  readonly service: (name: string) => GuardedService | null;
  /** Asked in this order; the first objection decides. */
  readonly policies: readonly Policy[];
  readonly modes: ModeSource;
  /** Break-glass: a credential that it allows bypasses schemes and policies. */
  readonly override?: Scheme | null;
  /** May turn a scheme's refusal into another one, for limits on failed attempts. */
  readonly onRefused?: ((denied: Denied, request: AuthRequest) => MaybePromise<Denied>) | null;
  /** Sees every decision. What it throws is swallowed: evidence never stops a request. */
  readonly observe?: ((decision: Decision, request: AuthRequest) => void) | null;
}

export function createGuard(options: GuardOptions): Guard {
  const { policies, modes, override = null, onRefused = null, observe = null } = options;

  async function judge(request: AuthRequest, guarded: GuardedService, route: Route): Promise<Verdict> {
    if (override) {
      const pending = override.authenticate(request);
      const verdict = isPromise(pending) ? await pending : pending;
      if (verdict?.allowed) return verdict;
      if (verdict) return onRefused ? onRefused(verdict, request) : verdict;
    }
    let verdict: Verdict | null = null;
    for (const scheme of guarded.schemes) {
      const pending = scheme.authenticate(request);
      verdict = isPromise(pending) ? await pending : pending;
      if (verdict) break;
    }
    verdict ??= unrecognised(request, guarded.authorization);
    if (!verdict.allowed) return onRefused ? onRefused(verdict, request) : verdict;
    for (const policy of policies) {
      const pending = policy.check(verdict.principal, request, route);
      const objection = isPromise(pending) ? await pending : pending;
      if (objection)
        return objection.skewSeconds === null ? { ...objection, skewSeconds: verdict.skewSeconds } : objection;
    }
    return verdict;
  }

  function finish(request: AuthRequest, decision: Decision): Decision {
    try {
      observe?.(decision, request);
    } catch {
      // Evidence must not decide; the audit counts what it drops.
    }
    return decision;
  }

  return {
    async decide(request) {
      const started = performance.now();
      try {
        const guarded = options.service(request.service);
        if (!guarded) {
          const unknown = deny('no_such_service', `no service "${request.service}" is configured`);
          return finish(request, refused(unknown, request.service, started));
        }
        const route = guarded.table.find(request.method, request.path);
        const mode = modes.modeOf(request.service, route.label, route.mode);
        if (mode === 'off' || (route.access === 'public' && route.methodAllowed)) {
          const outcome = mode === 'off' ? 'allow' : 'public';
          return finish(request, { verdict: null, route, mode, outcome, durationMicros: since(started) });
        }
        let verdict: Verdict;
        try {
          verdict = await judge(request, guarded, route);
        } catch (error) {
          verdict = undecidable(error);
        }
        const outcome = verdict.allowed ? 'allow' : mode === 'enforce' ? 'deny' : 'would_deny';
        return finish(request, { verdict, route, mode, outcome, durationMicros: since(started) });
      } catch (error) {
        // Not even the route or its mode could be found: nothing says that this may pass.
        return finish(request, refused(undecidable(error), request.service, started));
      }
    },

    refusal(denied, service) {
      const challenges: string[] = [];
      const further: Record<string, string> = {};
      for (const scheme of options.service(service)?.schemes ?? []) {
        const challenge = scheme.challenge(denied);
        if (challenge !== null && !challenges.includes(challenge)) challenges.push(challenge);
        Object.assign(further, scheme.refusalHeaders?.(denied));
      }
      return refusalOf(denied, challenges, further);
    },
  };
}

/** An outage says 503, never 401: a caller must not throw away a good credential because a store was away. */
function undecidable(error: unknown): Denied {
  const code = (error as { code?: unknown } | null)?.code;
  if (code === 'body_too_large') return deny('too_large', 'the signed body is larger than maxSignedBody');
  if (code === 'body_unavailable') return deny('bad_request', 'the request body ended before it was complete');
  const note = error instanceof Error ? error.message : String(error);
  return deny('unavailable', `could not decide: ${note}`, { retryAfter: 1 });
}

/** Refused before a route was known, so whatever the modes say. */
function refused(verdict: Denied, service: string, started: number): Decision {
  return { verdict, route: unknownRoute(service), mode: 'enforce', outcome: 'deny', durationMicros: since(started) };
}

function since(started: number): number {
  return (performance.now() - started) * 1000;
}

function unknownRoute(service: string): Route {
  return {
    path: '/*',
    methods: null,
    access: 'any',
    callers: null,
    scopes: [],
    addresses: null,
    rateLimit: null,
    mode: null,
    service,
    label: '*',
    methodAllowed: true,
  };
}
