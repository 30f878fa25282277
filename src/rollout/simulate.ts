import { rfc3339 } from '../core/clock.ts';
import type { Outcome } from '../core/decision.ts';
import { OTHERS } from '../core/rollup.ts';
import type { DecisionRow } from '../core/store.ts';
import { replay, type Candidate, type CredentialFacts, type Replayed } from './replay.ts';

/** What another configuration would have made of the requests that were recorded. */
export interface Simulation {
  /** RFC 3339: the first and the last of them; null where there were none. */
  readonly since: string | null;
  readonly until: string | null;
  /** Requests that were judged anew. */
  readonly replayed: number;
  readonly unchanged: number;
  /** Passed then, and would be refused. */
  readonly newly_refused: readonly Change[];
  /** Was allowed then, and would be refused were the route enforced. */
  readonly newly_would_deny: readonly Change[];
  /** Was refused, or would have been, and would pass. */
  readonly newly_allowed: readonly Change[];
  /** What the record does not tell enough of, by why. */
  readonly cannot_tell: Readonly<Record<string, number>>;
  /** Verdicts that were taken from the record, since what they rest on was not kept: signatures, clocks, counts. By reason. */
  readonly taken_from_record: Readonly<Record<string, number>>;
  /** False when a known caller would newly be refused, at once or once it is enforced. */
  readonly safe: boolean;
}

/** One caller on one route. */
export interface Change {
  readonly caller: string;
  /** Proven, or of a name that has a key or is configured. */
  readonly known: boolean;
  readonly service: string;
  /** By the other configuration. */
  readonly route: string;
  readonly before: Outcome;
  readonly after: Outcome;
  /** Why it would be refused, or was. */
  readonly reason: string;
  readonly count: number;
  readonly first_seen: string;
  readonly last_seen: string;
  readonly example: { readonly method: string; readonly path: string; readonly request_id: string };
}

export interface SimulateOptions {
  readonly rows: AsyncIterable<DecisionRow>;
  readonly candidate: Candidate;
  /** Null where the credential is no longer known. Asked once for each. */
  readonly facts: (row: DecisionRow) => Promise<CredentialFacts | null>;
  /** Whether somebody of this name has a key or is configured: 'aidb'. */
  readonly knows: (name: string) => boolean;
}

interface Counted {
  readonly row: DecisionRow;
  readonly caller: string;
  readonly known: boolean;
  readonly after: Extract<Replayed, { told: true }>;
  count: number;
  firstSeen: number;
  lastSeen: number;
}

/** Strangers may have called themselves anything: beyond so many changes their names are one. */
const strangersMax = 500;

export async function simulate({ rows, candidate, facts, knows }: SimulateOptions): Promise<Simulation> {
  const held = new Map<string, Promise<CredentialFacts | null>>();
  const changes = new Map<string, Counted>();
  const untold = new Map<string, number>();
  const taken = new Map<string, number>();
  let replayed = 0;
  let unchanged = 0;
  let first = Infinity;
  let last = -Infinity;

  function factsOf(row: DecisionRow): Promise<CredentialFacts | null> {
    const key = `${row.principal} ${row.credentialId}`;
    let known = held.get(key);
    if (!known) held.set(key, (known = facts(row)));
    return known;
  }

  function count(row: DecisionRow, after: Extract<Replayed, { told: true }>): void {
    const known = row.principal !== '' || knows(row.claimed.replace(/^service:/, ''));
    const named = row.principal === '' && row.claimed !== '' ? `${row.claimed}?` : row.principal;
    const reason = after.reason === '' ? row.reason : after.reason;
    const keyOf = (name: string) =>
      JSON.stringify([name, row.service, after.route, reason, row.outcome, after.outcome]);
    // Who is listed already stays whole.
    const caller = known || changes.size < strangersMax || changes.has(keyOf(named)) ? named : OTHERS;
    const key = keyOf(caller);
    let change = changes.get(key);
    if (!change) {
      change = { row, caller, known, after, count: 0, firstSeen: row.time, lastSeen: row.time };
      changes.set(key, change);
    }
    change.count += 1;
    change.firstSeen = Math.min(change.firstSeen, row.time);
    change.lastSeen = Math.max(change.lastSeen, row.time);
  }

  for await (const row of rows) {
    const after = await replay(row, candidate, row.principal === '' ? null : await factsOf(row));
    if (after === null) continue;
    first = Math.min(first, row.time);
    last = Math.max(last, row.time);
    replayed += 1;
    if (!after.told) {
      untold.set(after.why, (untold.get(after.why) ?? 0) + 1);
      continue;
    }
    if (after.reason !== '' && after.reason === row.reason && !ofRules.has(row.reason))
      taken.set(row.reason, (taken.get(row.reason) ?? 0) + 1);
    if (effectOf(row.outcome, after.outcome) === null) unchanged += 1;
    else count(row, after);
  }

  const found = [...changes.values()].sort(byImportance);
  const of = (effect: Effect): Change[] =>
    found.filter(({ row, after }) => effectOf(row.outcome, after.outcome) === effect).map(changeOf);
  return {
    since: replayed === 0 ? null : rfc3339(first),
    until: replayed === 0 ? null : rfc3339(last),
    replayed,
    unchanged,
    newly_refused: of('refused'),
    newly_would_deny: of('would_deny'),
    newly_allowed: of('allowed'),
    cannot_tell: Object.fromEntries(untold),
    taken_from_record: Object.fromEntries(taken),
    safe: !found.some(({ known, row, after }) => known && effectOf(row.outcome, after.outcome) !== 'allowed'),
  };
}

type Effect = 'refused' | 'would_deny' | 'allowed';

const ofRules: ReadonlySet<string> = new Set(['not_allowed', 'insufficient_scope', 'address_not_allowed']);

/** Null when it makes no difference to who called. */
function effectOf(before: Outcome, after: Outcome): Effect | null {
  if (after === 'deny') return before === 'deny' ? null : 'refused';
  if (after === 'would_deny') {
    if (before === 'would_deny') return null;
    return before === 'deny' ? 'allowed' : 'would_deny';
  }
  return before === 'deny' || before === 'would_deny' ? 'allowed' : null;
}

/** Callers that are known first, then by how often. */
function byImportance(a: Counted, b: Counted): number {
  return Number(b.known) - Number(a.known) || b.count - a.count;
}

function changeOf({ row, caller, known, after, count, firstSeen, lastSeen }: Counted): Change {
  return {
    caller,
    known,
    service: row.service,
    route: after.route,
    before: row.outcome,
    after: after.outcome,
    reason: after.reason === '' ? row.reason : after.reason,
    count,
    first_seen: rfc3339(firstSeen),
    last_seen: rfc3339(lastSeen),
    example: { method: row.method, path: row.path, request_id: row.requestId },
  };
}
