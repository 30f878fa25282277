/** What /admin/api answers, as far as the pages read it. */
export type Mode = 'off' | 'report' | 'enforce';
export type Outcome = 'allow' | 'deny' | 'would_deny' | 'public';

export interface Totals {
  readonly requests: number;
  readonly allowed: number;
  readonly denied: number;
  readonly would_deny: number;
  readonly public: number;
}

export interface Rated extends Totals {
  readonly success_rate: number | null;
}

export type Counts = Readonly<Record<Outcome, number>>;

/** Who called whom. */
export interface Edge extends Counts {
  readonly caller: string;
  readonly service: string;
}

export interface Session {
  readonly operator: {
    readonly name: string;
    readonly role: 'viewer' | 'operator';
    readonly totp: boolean;
    /** Logs in at a provider: password and second factor are there. */
    readonly openid: boolean;
    readonly recovery_codes_left: number;
  };
  readonly csrf: string;
  readonly expires_at: string;
}

export interface Status {
  readonly name: string;
  readonly version: string;
  readonly uptime_seconds: number;
  readonly store: string;
  readonly store_up: boolean;
  readonly dev_mode: boolean;
  readonly decisions_dropped: number;
  readonly warnings: readonly string[];
}

/** What a ramp enforces of a route in mode report. */
export interface RampShare {
  /** Of the callers. */
  readonly percent: number;
}

/** What of the modes' routes the ramp enforces; `*`: what has no rule. */
export interface RampedRoute extends RampShare {
  readonly service: string;
  readonly path: string;
}

export interface Service {
  readonly name: string;
  readonly upstream: string;
  /** Its own port. */
  readonly listen: { readonly host: string; readonly port: number } | null;
  readonly hosts: readonly string[];
  readonly accept: readonly string[];
  readonly mount: string | null;
  /** Of what has no rule. */
  readonly mode: Mode;
  readonly ramp: RampShare | null;
  readonly routes: readonly {
    readonly path: string;
    readonly methods: readonly string[] | null;
    readonly access: string;
    readonly callers: readonly string[] | null;
    readonly scopes: readonly string[];
    readonly mode: Mode;
    readonly ramp: RampShare | null;
  }[];
}

export interface ModeLine {
  readonly scope: string;
  readonly mode: Mode;
  readonly source: string;
  readonly set_by: string | null;
  readonly set_at: string | null;
}

export interface KeyLine {
  readonly id: string;
  readonly service: string;
  readonly kind: string;
  readonly last_four: string;
  readonly scopes: readonly string[];
  readonly created_at: string;
  readonly expires_at: string | null;
  readonly revoked_at: string | null;
  readonly status: 'active' | 'expired' | 'revoked';
  readonly stage: 'pending' | 'current' | 'previous' | null;
  /** The id of the key whose place it took. */
  readonly replaces: string | null;
  readonly last_used: { readonly at: string; readonly by: string; readonly from: string } | null;
}

export interface TokenLine {
  readonly token_id: string;
  readonly created_at: string;
  readonly expires_at: string;
  readonly scopes: readonly string[];
  readonly client_id: string | null;
  readonly created_by: string;
}

export interface Refusals {
  readonly count: number;
  readonly caller: string;
  readonly service: string;
  readonly route: string;
  readonly reason: string;
  readonly client_addresses: readonly string[];
  readonly address_count: number;
  readonly first_seen: string;
  readonly last_seen: string;
  readonly example_request_id: string;
}

export interface Report extends Totals {
  readonly since: string;
  readonly until: string;
  readonly verdict: {
    readonly answer: 'ready' | 'not_ready' | 'unknown';
    readonly summary: string;
    readonly mend: readonly {
      readonly caller: string;
      readonly requests: number;
      readonly routes: readonly string[];
      readonly reason: string;
      readonly client_addresses: readonly string[];
      readonly last_seen: string;
      readonly example_request_id: string;
      readonly what: string;
      readonly commands: readonly string[];
    }[];
    readonly concerns: readonly string[];
  };
  readonly by_service: Readonly<Record<string, Rated>>;
  readonly callers: readonly ({ readonly caller: string } & Rated)[];
  readonly top_endpoints: readonly ({ readonly service: string; readonly route: string } & Rated)[];
  readonly would_deny_groups: readonly Refusals[];
  readonly denied_groups: readonly Refusals[];
  readonly clock_skew: readonly {
    readonly caller: string;
    readonly samples: number;
    readonly p50_s: number;
    readonly p99_s: number;
    readonly max_s: number;
  }[];
  readonly key_expiry: readonly {
    readonly id: string;
    readonly service: string;
    readonly expires_at: string;
    readonly has_successor: boolean;
  }[];
  /** Null for none. */
  readonly recorded_ahead: { readonly requests: number; readonly max_s: number } | null;
  /** They are in none of the sums. */
  readonly unreadable_counts: number;
  readonly overhead: { readonly samples: number; readonly p50_us: number | null; readonly p99_us: number | null };
}

/** The fields of the log line. */
export interface Decision {
  readonly sequence: number;
  readonly time: string;
  readonly service: string;
  readonly method: string;
  readonly path: string;
  readonly outcome: Outcome;
  readonly reason: string;
  /** '' where nobody was proven. */
  readonly principal: string;
  /** Who they only said they were. */
  readonly claimed?: string;
  readonly client_address: string;
  readonly request_id: string;
}

export interface AuditEvent {
  readonly sequence: number;
  readonly time: string;
  readonly type: string;
  readonly actor: string;
  readonly via: string;
  readonly from: string;
  readonly subject: string;
  readonly reason: string;
}

export interface Ramp {
  readonly name: string;
  readonly status: 'running' | 'paused' | 'stopped' | 'finished' | 'withdrawn';
  /** From 1. */
  readonly step: number;
  readonly since: string;
  readonly started_at: string;
  readonly started_by: string;
  readonly steps: readonly {
    readonly routes: readonly string[];
    readonly callers_percent: number;
    readonly soak_seconds: number;
    readonly promote: 'auto' | 'manual';
    readonly status: 'waiting' | 'enforced' | 'passed' | 'rolled_back';
  }[];
  /** Who asked at the routes of the step under way, and for whom of them it is. */
  readonly callers_seen: readonly string[];
  readonly callers_within: readonly string[];
  /** How often in a row the gates said yes, and have to. */
  readonly successes: number;
  readonly successes_needed: number;
  readonly findings: readonly string[];
  readonly culprits: readonly {
    readonly caller: string;
    readonly route: string;
    readonly reason: string;
    readonly request_id: string;
  }[];
  /** Whom the step under way refused and nobody knows. */
  readonly strangers: readonly {
    readonly caller: string;
    readonly client_address: string;
    readonly route: string;
    readonly reason: string;
    readonly requests: number;
    readonly request_id: string;
  }[];
}

/** What doctor or probe found last. */
export interface CheckResult {
  readonly at: string;
  readonly by: string;
  readonly from: string;
  readonly summary: string;
  readonly findings: readonly {
    readonly severity: 'high' | 'medium' | 'low';
    readonly place: string;
    readonly what: string;
    readonly why: string;
    readonly repair: readonly string[];
  }[];
  readonly omitted: number;
}

/** How often something was asked for, and when. */
export interface Seen {
  readonly requests: number;
  readonly minutes: number;
  readonly first_seen: string;
  readonly last_seen: string;
  readonly example_request_id: string;
}

export interface Learned {
  readonly since: string;
  readonly requests: number;
  /** Where nothing is proposed: routes that were asked for too rarely to teach anything. */
  readonly untaught: number;
  readonly diff: string;
  readonly by_hand: readonly string[];
  readonly proposals: readonly ({
    readonly service: string;
    readonly kind: 'narrow' | 'add';
    readonly path: string;
    readonly methods: readonly string[] | null;
    readonly access: string | null;
    readonly callers: readonly string[] | null;
  } & Seen)[];
  readonly public_looking: readonly ({
    readonly service: string;
    readonly method: string;
    readonly path: string;
    readonly addresses: readonly string[];
  } & Seen)[];
  readonly matrix: readonly {
    readonly caller: string;
    readonly service: string;
    readonly method: string;
    readonly path: string;
    readonly requests: number;
  }[];
}
