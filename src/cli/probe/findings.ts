import type { DecisionRow } from '../../core/store.ts';
import { routeWords } from '../../audit/report/words.ts';
import type { Attempt, Trial } from './try-route.ts';

/** What is wrong with the answer to one attempt, or with the route as a whole. */
export interface Fault {
  /** 'without a credential', 'wrong Bearer', …; empty for the whole. */
  readonly attempt: string;
  readonly what: string;
}

/** What one route showed. */
export interface RouteFinding {
  readonly service: string;
  readonly route: string;
  readonly method: string;
  /** Status and, where it passed, what the gateway would have done: '401', 'passes (off)'. */
  readonly none: string;
  readonly wrong: readonly { readonly form: string; readonly answer: string }[];
  readonly right: readonly { readonly form: string; readonly answer: string }[];
  readonly untried: string | null;
  /** Whether every decision is among the rows of the audit; null where none are kept. */
  readonly recorded: boolean | null;
  /** True when nobody gets in without a right credential. */
  readonly guarded: boolean;
  readonly faults: readonly Fault[];
}

/** Rows are null where decisions are not kept in the store. */
export function findingOf(trial: Trial, rows: ReadonlyMap<string, DecisionRow> | null): RouteFinding {
  const { target, none, wrong, right, untried } = trial;
  const all = [none, ...wrong, ...right];
  const missing = rows === null ? [] : all.filter(({ requestId }) => !rows.has(requestId));
  const rejected = right.filter((attempt) => attempt.status === 401 || attempt.outcome === 'would_deny');
  // Too many wrong ones from one address are 429 where failedAttempts is set, and kept out all the same.
  const believed = wrong.filter(({ status }) => status !== 401 && status !== 429);
  const faults = [
    ...(none.status === 401 ? [] : [fault('without a credential', `${answerWords(none)}, not 401`)]),
    ...believed.map((one) => fault(`wrong ${one.form}`, `${answerWords(one)}, not 401`)),
    ...rejected.map((one) => fault(`right ${one.form}`, answerWords(one) + reasonOf(rows?.get(one.requestId)))),
    ...right.filter(undecided).map((one) => fault(`right ${one.form}`, `${answerWords(one)}, so nothing was proven`)),
    ...(missing.length === 0 ? [] : [fault('', `${missing.length} of ${all.length} decisions are not in the audit`)]),
  ];
  return {
    service: target.service,
    route: target.route,
    method: target.method,
    none: answerWords(none),
    wrong: wrong.map(shown),
    right: right.map(shown),
    untried,
    recorded: rows === null ? null : missing.length === 0,
    guarded: none.status === 401 && believed.length === 0,
    faults,
  };
}

/** Neither let in, nor known and kept out for another reason: 503 while the store is away, say. */
function undecided({ status }: Attempt): boolean {
  return status >= 400 && status !== 401 && status !== 403 && status !== 429;
}

function answerWords({ status, outcome }: Attempt): string {
  return outcome === null ? String(status) : `passes (${outcome})`;
}

function shown(attempt: Attempt): { form: string; answer: string } {
  return { form: attempt.form, answer: answerWords(attempt) };
}

function reasonOf(row: DecisionRow | undefined): string {
  return row === undefined || row.reason === '' ? '' : `: ${row.reason}, ${row.note}`;
}

function fault(attempt: string, what: string): Fault {
  return { attempt, what };
}

export function faultWords({ attempt, what }: Fault): string {
  return attempt === '' ? what : `${attempt}: ${what}`;
}

/** The fault of a service that has no finding at all. */
export const nothingAsked = 'no route of it asks for a credential';

export function placeOf({ service, route, method }: RouteFinding): string {
  return `${method} ${routeWords(service, route)}`;
}

export interface Score {
  readonly authenticated: readonly string[];
  readonly of: number;
  /** Rounded down: 100 means all. */
  readonly percent: number;
}

/** A service is authenticated when it has a guarded route and none that lets strangers in. */
export function scoreOf(services: readonly string[], findings: readonly RouteFinding[]): Score {
  const authenticated = services.filter((service) => {
    const own = findings.filter((finding) => finding.service === service);
    return own.length > 0 && own.every(({ guarded }) => guarded);
  });
  const percent = services.length === 0 ? 0 : Math.floor((authenticated.length * 100) / services.length);
  return { authenticated, of: services.length, percent };
}
