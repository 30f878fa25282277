import type { Clock } from './clock.ts';
import type { Decision } from './decision.ts';
import type { Guard } from './guard.ts';
import type { ModeSource } from './mode-source.ts';
import type { AuthRequest } from './request.ts';
import { isPublic, type Route } from './route.ts';
import { deny, type Denied, type Principal, type Verdict } from './verdict.ts';

/** A request that was let pass, and by what. */
export interface Passed {
  readonly request: AuthRequest;
  readonly decision: Decision;
}

/** Against what a request that lasts is held. */
export interface LastingGround {
  readonly modes: ModeSource;
  /** Tells of the end of a credential, also of one that has come by now (Liveness). */
  readonly liveness: { track(principal: Principal, onDead: () => void): () => void };
  readonly clock: Clock;
  readonly guard: Pick<Guard, 'routeOf' | 'objectionTo'>;
  /** Another one when routes may be others. */
  readonly config: object;
}

/**
 * Is to end it; what it throws is not caught. `isRefusal`: to be recorded as one. That a credential ends is none: what it was good for is
 * in the log as allowed.
 */
export type OnEnd = (denied: Denied, isRefusal: boolean) => void;

/**
 * A request that lasts: it is held to its credential for as long as it is enforced, and ended when enforcement begins for a caller
 * who would be refused, or when a new configuration no longer takes its credential or lets its caller call. While nothing is enforced
 * nothing is cut off, whatever was before, but for a service that is no more. What is open to all is nobody's.
 */
export class Lasting {
  readonly #passed: Passed;
  readonly #ground: LastingGround;
  readonly #onEnd: OnEnd;
  #unwatch: (() => void) | null = null;
  #isDue = false;
  #route: Route;
  /** By the rules in force: what let it pass, or what would not by now. */
  #verdict: Verdict | null;
  #isGone = false;
  #config: object | null = null;

  constructor(passed: Passed, ground: LastingGround, onEnd: OnEnd) {
    this.#passed = passed;
    this.#ground = ground;
    this.#onEnd = onEnd;
    this.#route = passed.decision.route;
    this.#verdict = passed.decision.verdict;
  }

  /** To be called several times a second, until it is over. */
  look(): void {
    const isEnforced = this.#isEnforced();
    const verdict = this.#verdict;
    if (this.#isGone) this.#onEnd(noSuchService, true);
    else if (!isEnforced) this.release();
    else if (verdict?.allowed !== true) this.#endWhenDue(verdict);
    else
      this.#unwatch ??= this.#ground.liveness.track(verdict.principal, () => this.#credentialDied(verdict.principal));
  }

  /**
   * A step of a ramp goes back when it is asked for a caller that is known, whose turn may come behind a stranger's: whoever has no
   * name is given until the next look, so that nobody is cut off by a step that never was.
   */
  #endWhenDue(denied: Denied | null): void {
    if (this.#isDue || (denied !== null && denied.caller !== null)) this.#onEnd(denied ?? unjudged, true);
    else this.#isDue = true;
  }

  /** It is over, or held to nothing. */
  release(): void {
    this.#isDue = false;
    this.#unwatch?.();
    this.#unwatch = null;
  }

  #isEnforced(): boolean {
    const { request } = this.#passed;
    const { modes, config } = this.#ground;
    if (config !== this.#config) this.#takeUp();
    this.#config = config;
    const route = this.#route;
    if (isPublic(route)) return false;
    const mode = modes.modeOf(route.service, route.label, route.mode);
    if (mode !== 'report') return mode === 'enforce';
    try {
      return modes.enforcedFor?.(this.#verdict, request, route) ?? false;
    } catch {
      // Nothing is cut off on a guess; whoever comes anew is refused.
      return false;
    }
  }

  /** Once for each configuration: what it says of this request. */
  #takeUp(): void {
    const { request, decision } = this.#passed;
    const { guard } = this.#ground;
    const route = guard.routeOf(request);
    this.#isGone = route === null;
    if (route === null) return;
    this.#route = route;
    const { verdict } = decision;
    this.#verdict =
      verdict?.allowed === true ? (guard.objectionTo(verdict.principal, request, route) ?? verdict) : verdict;
  }

  #credentialDied({ id, expiresAt }: Principal): void {
    this.#unwatch = null;
    // Taken back since the last look.
    if (!this.#isEnforced()) return;
    const expired = expiresAt !== null && expiresAt <= this.#ground.clock();
    const caller = { id, proven: true };
    this.#onEnd(
      deny(expired ? 'expired' : 'revoked', 'the credential died while the request was under way', { caller }),
      false,
    );
  }
}

/** Of what was let pass while nobody was asked: whoever comes again is judged. */
const unjudged = deny('unavailable', 'enforcement began while a request that nobody had judged was under way', {
  retryAfter: 1,
});

const noSuchService = deny(
  'no_such_service',
  'the service is not configured any more, and a request to it was under way',
);
