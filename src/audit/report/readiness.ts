import { rotateCommand } from '../../core/credential.ts';
import { OTHERS, unreadableWords } from '../../core/rollup.ts';
import type { ClockSkew } from './clock-skews.ts';
import type { EndingKey } from './ending-keys.ts';
import { adviceFor, callerName, routeWords } from './mending.ts';
import type { RefusalGroup } from './refusal-groups.ts';
import { aheadWords, type RecordedAhead } from './recorded-ahead.ts';
import { counted } from './words.ts';
import type { Totals } from './totals.ts';

/** May this stack be switched to enforce, as far as the period tells? */
export interface Readiness {
  readonly answer: 'ready' | 'not_ready' | 'unknown';
  readonly ready: boolean;
  /** One or two sentences. */
  readonly summary: string;
  /** Callers with a name, proven or claimed, of whom requests would be refused. */
  readonly named_callers: number;
  /** Addresses from which requests without a name would be refused: callers, not requests, are what is to be mended. */
  readonly unsigned_callers: number;
  /** What to mend first comes first: proven callers, then named ones, then the rest; each by how often. At most a hundred. */
  readonly mend: readonly Mend[];
  /** What refuses nobody yet. */
  readonly concerns: readonly string[];
}

/** One caller and one thing that is wrong with it; those without a name are one where they call from the same addresses. */
export interface Mend {
  readonly caller: string;
  readonly reason: string;
  readonly requests: number;
  /** As the gateway is asked for them, the most frequent first; at most five. */
  readonly routes: readonly string[];
  readonly client_addresses: readonly string[];
  readonly last_seen: string;
  readonly example_request_id: string;
  readonly what: string;
  readonly commands: readonly string[];
}

export interface Evidence extends Totals {
  readonly not_judged: number;
  readonly would_deny_groups: readonly RefusalGroup[];
  readonly clock_skew: readonly ClockSkew[];
  readonly key_expiry: readonly EndingKey[];
  readonly unreadable_counts: number;
  readonly recorded_ahead: RecordedAhead | null;
}

const routesShown = 5;
const addressesShown = 10;
const mendMax = 100;
/** Half of what an HTTP signature may be off; a service signature may be off by ten times that. */
const skewOfConcern = 30;

/** `isEnforced`: all of it is by now, whatever it was in the period. */
export function readiness(evidence: Evidence, isEnforced = false): Readiness {
  const groups = evidence.would_deny_groups;
  const named = new Set(groups.map(({ caller }) => caller).filter((caller) => !isNameless(caller)));
  const unsigned = unsignedCallers(groups);
  const counts = { named_callers: named.size, unsigned_callers: unsigned };
  const { answer, summary } = answerFor(evidence, { named: named.size, unsigned, isEnforced });
  return {
    answer,
    ready: answer === 'ready',
    summary,
    ...counts,
    mend: mendings(groups),
    concerns: concernsOf(evidence, named),
  };
}

interface Found {
  readonly named: number;
  readonly unsigned: number;
  readonly isEnforced: boolean;
}

function answerFor(evidence: Evidence, { named, unsigned, isEnforced }: Found): Pick<Readiness, 'answer' | 'summary'> {
  if (evidence.would_deny > 0) {
    const who = [
      ...(named > 0 ? [counted(named, 'named caller')] : []),
      ...(unsigned > 0 ? [counted(unsigned, 'unsigned caller')] : []),
    ];
    const requests = `${counted(evidence.would_deny, 'request')} of ${who.join(' and ')}`;
    const summary =
      (isEnforced
        ? `All is enforced by now, and ${requests} would have been refused before that. `
        : `Not ready to enforce: ${requests} would be refused. `) +
      (named > 0
        ? 'Mend what stands below, then look again.'
        : 'Nobody gives a name: where one of them is yours mend what stands below; strangers are refused rightly, and keep nobody from enforcing.');
    return { answer: 'not_ready', summary };
  }
  if (evidence.requests === 0)
    return { answer: 'unknown', summary: 'Nothing can be said about enforcing: no requests were seen in this time.' };
  if (evidence.not_judged > 0) {
    const passed = `${counted(evidence.not_judged, 'request')} passed in mode off, unjudged`;
    return { answer: 'unknown', summary: `Nothing can be said about enforcing: ${passed}. Set report first.` };
  }
  if (evidence.unreadable_counts > 0) {
    const summary =
      'Nothing can be said about enforcing: counts that cannot be read are left out, and may be of callers that would be refused.';
    return { answer: 'unknown', summary };
  }
  if (evidence.recorded_ahead) {
    const summary =
      'Nothing can be said about enforcing: a server whose clock is ahead recorded requests that are left out.';
    return { answer: 'unknown', summary };
  }
  const summary = isEnforced
    ? `All is enforced: nothing that passed in this time would be refused.${evidence.denied > 0 ? ' Who was refused, and why, stands below.' : ''}`
    : 'Ready to enforce: nothing that passed would be refused. Callers that were silent in this time are not covered.';
  return { answer: 'ready', summary };
}

/** By address: a thousand requests of one script are one caller to be mended. At least so many. */
function unsignedCallers(groups: readonly RefusalGroup[]): number {
  const nameless = groups.filter(({ caller }) => isNameless(caller));
  const addresses = new Set(nameless.flatMap(({ client_addresses }) => client_addresses));
  return Math.max(addresses.size, ...nameless.map(({ address_count }) => address_count));
}

function mendings(groups: readonly RefusalGroup[]): Mend[] {
  const byCause = Map.groupBy(groups, ({ caller, reason, client_addresses }) =>
    JSON.stringify([caller, reason, ...(isNameless(caller) ? client_addresses.toSorted() : [])]),
  );
  return [...byCause.values()]
    .flatMap((same) => (same[0] ? [mending(same[0], same)] : []))
    .sort((a, b) => rank(a.caller) - rank(b.caller) || b.requests - a.requests)
    .slice(0, mendMax);
}

/** Of one caller and reason; `first` is the most frequent. */
function mending(first: RefusalGroup, same: readonly RefusalGroup[]): Mend {
  const { caller, reason, service, route } = first;
  const last = same.reduce((late, group) => (group.last_seen > late.last_seen ? group : late));
  return {
    caller,
    reason,
    requests: same.reduce((sum, { count }) => sum + count, 0),
    routes: same.slice(0, routesShown).map((group) => routeWords(group.service, group.route)),
    client_addresses: [...new Set(same.flatMap(({ client_addresses }) => client_addresses))].slice(0, addressesShown),
    last_seen: last.last_seen,
    example_request_id: last.example_request_id,
    ...adviceFor(reason, {
      name: callerName(caller),
      isShared: caller.startsWith('holder:'),
      service,
      route,
      requestId: last.example_request_id,
    }),
  };
}

function isNameless(caller: string): boolean {
  return caller === '' || caller === OTHERS;
}

/** Whoever is proven is known to be ours; a name alone anybody can give. */
function rank(caller: string): number {
  if (isNameless(caller)) return 2;
  return caller.endsWith('?') ? 1 : 0;
}

function concernsOf(evidence: Evidence, refused: ReadonlySet<string>): string[] {
  const { clock_skew, key_expiry, recorded_ahead: ahead, unreadable_counts } = evidence;
  const clocks = clock_skew
    .filter(({ caller, max_s }) => Math.abs(max_s) > skewOfConcern && !caller.endsWith('?') && !refused.has(caller))
    .map(
      ({ caller, max_s }) =>
        `the clock of ${caller} was up to ${Math.round(Math.abs(max_s))} s ${max_s > 0 ? 'ahead' : 'behind'}: set it before its signatures are refused`,
    );
  const keys = key_expiry
    .filter(({ has_successor }) => !has_successor)
    .map(
      ({ id, service, kind, expires_at, expired }) =>
        `key ${id} of ${service} ${expired ? 'ended' : 'ends'} at ${expires_at} and has no successor: ${expired ? `countersign keys create ${service} --kind ${kind}` : rotateCommand({ id, service })}`,
    );
  return [
    ...(unreadable_counts > 0 ? [unreadableWords(unreadable_counts)] : []),
    ...(ahead ? [aheadWords(ahead)] : []),
    ...clocks,
    ...keys,
  ];
}
