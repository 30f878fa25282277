import type { RouteRule } from '../core/route.ts';
import { rulePathFault, rulePathKey } from '../core/route-table.ts';
import type { DecisionRow } from '../core/store.ts';
import { isTold, whoMax, type Endpoint, type ToldEndpoint } from './endpoints.ts';
import { harmless, rulesWith } from './harmless.ts';
import { hasParameter, isLiteral, overlap, patternsOf } from './path-patterns.ts';
import { preflights } from './preflights.ts';
import type { Evidence, Proposal } from './proposal.ts';
import { traffic } from './traffic.ts';

/** What the recorded traffic says about who needs what. It only ever narrows: whoever could not pass before cannot after. */
export interface Learned {
  readonly proposals: readonly Proposal[];
  /** Looks public, but strangers alone say so: never proposed, only shown. */
  readonly public_looking: readonly PublicLooking[];
  /** Who called what, least privilege as it was used. */
  readonly matrix: readonly MatrixLine[];
  /** Requests of proven callers that were learned from. */
  readonly requests: number;
}

export interface PublicLooking {
  readonly service: string;
  readonly method: string;
  readonly path: string;
  readonly addresses: readonly string[];
  readonly evidence: Evidence;
}

export interface MatrixLine {
  readonly caller: string;
  readonly service: string;
  readonly method: string;
  readonly path: string;
  readonly requests: number;
}

export interface LearnOptions {
  readonly rows: AsyncIterable<DecisionRow>;
  readonly services: readonly { readonly name: string; readonly rules: readonly RouteRule[] }[];
  /** What was seen less often, or at fewer different minutes, teaches nothing. */
  readonly requestsMin: number;
  readonly timesMin: number;
  /** How many paths of a service are told apart, each with each of its methods. */
  readonly pathsMax?: number;
}

/** Everybody asks these without a credential, and they are there whether or not a proven caller asks them too. */
const probes: ReadonlySet<string> = new Set(['/health', '/healthz', '/livez', '/readyz', '/ping', '/status']);

const pathsOfService = 5000;

export async function learn(options: LearnOptions): Promise<Learned> {
  const { rows, services, requestsMin, timesMin, pathsMax = pathsOfService } = options;
  const seen = new Map(services.map(({ name, rules }) => [name, { rules, ...traffic(name, rules, pathsMax) }]));
  let requests = 0;
  for await (const row of rows) if (seen.get(row.service)?.see(row)) requests += 1;
  const enough = ({ count, minutes }: Endpoint): boolean => count >= requestsMin && minutes.size >= timesMin;
  const learned = [...seen].map(([name, { rules, ...of }]) => {
    const [proven, others] = [of.proven.all(), of.others.all()];
    const paths = new Set(proven.map(({ path }) => path));
    const found = [narrowed, added, rest].flatMap((propose) => propose(name, rules, proven));
    const proposals = found.filter(({ endpoint }) => enough(endpoint)).map(({ proposal }) => proposal);
    const kept = harmless(name, rules, proposals, [...proven, ...others]);
    const unsigned = of.unsigned.all().filter(isTold);
    const known = new Set([...paths].filter((path) => path !== null));
    const open = unsigned.filter(({ method, path }) => method !== 'OPTIONS' && (known.has(path) || probes.has(path)));
    return {
      proposals: kept,
      looking: oncePerPath([...open, ...preflights(name, rulesWith(rules, kept), unsigned, known)])
        .filter(enough)
        .map((endpoint) => publicLooking(name, endpoint)),
      matrix: matrixOf(name, proven),
    };
  });
  return {
    proposals: learned.flatMap(({ proposals }) => proposals),
    public_looking: learned.flatMap(({ looking }) => looking),
    matrix: learned.flatMap(({ matrix }) => matrix),
    requests,
  };
}

interface Found {
  readonly proposal: Proposal;
  readonly endpoint: Endpoint;
}

/** Rules that are open to any caller, and were used by services only. */
function narrowed(service: string, rules: readonly RouteRule[], seen: readonly Endpoint[]): Found[] {
  return rules.flatMap((rule, index) => {
    if (rule.callers !== null || (rule.access !== 'any' && rule.access !== 'service')) return [];
    const used = seen.filter(({ label, method }) => label === rule.path && covers(rule, method));
    const endpoint = together(used);
    const callers = endpoint && serviceNames(endpoint);
    if (!endpoint || !callers) return [];
    const { path, methods } = rule;
    const proposal = { service, kind: 'narrow', index, path, methods, access: null, callers } as const;
    return [{ endpoint, proposal: { ...proposal, evidence: evidenceOf(endpoint) } }];
  });
}

/**
 * Paths without a rule, then and now: what was asked for before a rule of its own was written is no news. A pattern that might
 * take a path from a rule that is there is left alone.
 */
function added(service: string, rules: readonly RouteRule[], seen: readonly Endpoint[]): Found[] {
  // As requests have them, whatever of it is percent-encoded in the file.
  const there = rules.map((rule) => ({ rule, path: `/${rulePathKey(rule.path)}` }));
  const isRuled = (endpoint: ToldEndpoint): boolean =>
    there
      .filter(({ path }) => overlap(path, endpoint.path))
      .some(({ rule, path }) => (path.endsWith('*') ? asksForMore(rule) : covers(rule, endpoint.method)));
  const unruled = seen
    .filter(isTold)
    .filter((endpoint) => endpoint.label === '*' && isLiteral(endpoint.path) && !isRuled(endpoint));
  const patterns = patternsOf([...new Set(unruled.map(({ path }) => path))]);
  const patternOf = ({ path }: ToldEndpoint): string => {
    const pattern = patterns.get(path) ?? path;
    const clashes = hasParameter(pattern) && there.some((at) => !isLiteral(at.path) && overlap(at.path, pattern));
    return clashes ? path : pattern;
  };
  return [...Map.groupBy(unruled, patternOf)].flatMap(([path, used]) =>
    // One rule for the methods that have the same callers.
    [
      ...Map.groupBy([...Map.groupBy(used, ({ method }) => asked(method))], ([, ofMethod]) => callersKey(ofMethod)),
    ].flatMap(([, same]) => {
      const endpoint = together(same.flatMap(([, ofMethod]) => ofMethod));
      const callers = endpoint && serviceNames(endpoint);
      const onlyServices = endpoint && areServices(endpoint);
      if (!endpoint || !onlyServices || rulePathFault(path) !== null) return [];
      const methods = same.map(([method]) => method).sort();
      const access = callers ? null : ('service' as const);
      const proposal = { service, kind: 'add', index: null, path, methods, access, callers } as const;
      return [{ endpoint, proposal: { ...proposal, evidence: evidenceOf(endpoint) } }];
    }),
  );
}

/** All else of a service that nobody but services calls. */
function rest(service: string, rules: readonly RouteRule[], seen: readonly Endpoint[]): Found[] {
  const endpoint = together(seen);
  if (!endpoint || !areServices(endpoint) || rules.some(({ path }) => path === '/*')) return [];
  const proposal = {
    service,
    kind: 'add',
    index: null,
    path: '/*',
    methods: null,
    access: 'service',
    callers: null,
  } as const;
  return [{ endpoint, proposal: { ...proposal, evidence: evidenceOf(endpoint) } }];
}

function covers({ methods }: RouteRule, method: string): boolean {
  return methods === null || methods.includes(method) || (method === 'HEAD' && methods.includes('GET'));
}

/** Than that a caller is proven, or is a service: a new rule for a path of it would ask for less. */
function asksForMore({ access, callers, scopes, addresses, rateLimit, mode, staleSecondsMax }: RouteRule): boolean {
  if (access === 'operator' || scopes.length > 0) return true;
  return [callers, addresses, rateLimit, mode, staleSecondsMax].some((wanted) => wanted !== null);
}

/** HEAD counts as GET. */
function asked(method: string): string {
  return method === 'HEAD' ? 'GET' : method;
}

/** False also where there are more callers than are known. */
function areServices({ who }: Endpoint): boolean {
  if (who.size >= whoMax) return false;
  return [...who.keys()].every((caller) => caller.startsWith('service:') || caller.startsWith('holder:'));
}

/** Null where somebody is no service with a key of its own, whom `callers` could name. */
function serviceNames({ who }: Endpoint): string[] | null {
  const callers = [...who.keys()];
  if (who.size >= whoMax || !callers.every((caller) => caller.startsWith('service:'))) return null;
  return callers.map((caller) => caller.slice('service:'.length)).sort();
}

function callersKey(used: readonly Endpoint[]): string {
  return [...new Set(used.flatMap(({ who }) => [...who.keys()]))].sort().join(' ');
}

function together(used: readonly Endpoint[]): Endpoint | null {
  const [first, ...others] = used;
  if (!first) return null;
  const sum: Endpoint = { ...first, minutes: new Set(first.minutes), who: new Map(first.who) };
  for (const { count, minutes, who, firstSeen, lastSeen, requestId } of others) {
    sum.count += count;
    for (const minute of minutes) sum.minutes.add(minute);
    for (const [name, times] of who) sum.who.set(name, (sum.who.get(name) ?? 0) + times);
    sum.firstSeen = Math.min(sum.firstSeen, firstSeen);
    if (lastSeen < sum.lastSeen) continue;
    sum.lastSeen = lastSeen;
    sum.requestId = requestId;
  }
  return sum;
}

function evidenceOf({ count, minutes, firstSeen, lastSeen, requestId }: Endpoint): Evidence {
  return { requests: count, times: minutes.size, firstSeen, lastSeen, requestId };
}

/** Each path and method once, whichever rules applied to it: two rules for one would be refused. */
function oncePerPath(seen: readonly ToldEndpoint[]): ToldEndpoint[] {
  const keyOf = ({ method, path }: ToldEndpoint): string => `${asked(method)} ${path}`;
  return [...Map.groupBy(seen, keyOf).values()].flatMap((same) => {
    const endpoint = together(same);
    return endpoint && isTold(endpoint) ? [{ ...endpoint, method: asked(endpoint.method) }] : [];
  });
}

function publicLooking(service: string, endpoint: ToldEndpoint): PublicLooking {
  const { method, path, who } = endpoint;
  return { service, method, path, addresses: [...who.keys()].slice(0, 5), evidence: evidenceOf(endpoint) };
}

function matrixOf(service: string, seen: readonly Endpoint[]): MatrixLine[] {
  const patterns = patternsOf([...new Set(seen.filter(isTold).map(({ path }) => path))]);
  const lines = new Map<string, MatrixLine>();
  for (const { method, path, label, who } of seen) {
    const shown = label === '*' && path !== null ? (patterns.get(path) ?? path) : label;
    for (const [caller, count] of who) {
      const key = `${caller} ${method} ${shown}`;
      lines.set(key, { caller, service, method, path: shown, requests: count + (lines.get(key)?.requests ?? 0) });
    }
  }
  return [...lines.values()].sort((a, b) => a.caller.localeCompare(b.caller) || b.requests - a.requests);
}
