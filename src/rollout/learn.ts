import type { RouteRule } from '../core/route.ts';
import { rulePathFault, rulePathKey } from '../core/route-table.ts';
import type { DecisionRow } from '../core/store.ts';
import { routeKey } from '../core/target.ts';
import { endpoints, whoMax, type Endpoint } from './endpoints.ts';
import { harmless } from './harmless.ts';
import { hasParameter, overlap, patternsOf } from './path-patterns.ts';

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

export interface Proposal {
  readonly service: string;
  /** narrow: `callers` for a rule that is there; add: a new rule for paths that had none. */
  readonly kind: 'narrow' | 'add';
  /** The rule's place among the service's routes; null for a new one. */
  readonly index: number | null;
  readonly path: string;
  /** Null for all. */
  readonly methods: readonly string[] | null;
  readonly access: 'service' | null;
  /** Names of services; null for no rule on callers. */
  readonly callers: readonly string[] | null;
  readonly evidence: Evidence;
}

export interface Evidence {
  readonly requests: number;
  /** In how many different minutes. */
  readonly times: number;
  /** Epoch seconds. */
  readonly firstSeen: number;
  readonly lastSeen: number;
  readonly requestId: string;
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
}

/** Everybody asks these without a credential, and they are there whether or not a proven caller asks them too. */
const probes: ReadonlySet<string> = new Set(['/health', '/healthz', '/livez', '/readyz', '/ping', '/status']);

export async function learn({ rows, services, requestsMin, timesMin }: LearnOptions): Promise<Learned> {
  const seen = new Map(services.map(({ name }) => [name, traffic()]));
  let requests = 0;
  for await (const row of rows) {
    const service = seen.get(row.service);
    if (!service || row.route === '' || row.path.endsWith('…') || !/^[A-Z]{1,16}$/.test(row.method)) continue;
    if (teaches(row)) {
      requests += 1;
      service.proven.add(row, routeKey(row.path), row.principal);
    } else if (passed(row)) service.others.add(row, routeKey(row.path), row.principal);
    else if (row.reason === 'missing_credentials') service.unsigned.add(row, routeKey(row.path), row.clientAddress);
  }
  const enough = ({ count, minutes }: Endpoint): boolean => count >= requestsMin && minutes.size >= timesMin;
  const learned = services.map(({ name, rules }) => {
    const { proven, others, unsigned } = seen.get(name) ?? traffic();
    const paths = new Set(proven.all().map(({ path }) => path));
    const found = [narrowed, added, rest].flatMap((propose) => propose(name, rules, proven.all()));
    const proposals = found.filter(({ endpoint }) => enough(endpoint)).map(({ proposal }) => proposal);
    return {
      proposals: harmless(name, rules, proposals, [...proven.all(), ...others.all()]),
      looking: unsigned
        .all()
        .filter((endpoint) => enough(endpoint) && (paths.has(endpoint.path) || probes.has(endpoint.path)))
        .map((endpoint) => publicLooking(name, endpoint)),
      matrix: matrixOf(name, proven.all()),
    };
  });
  return {
    proposals: learned.flatMap(({ proposals }) => proposals),
    public_looking: learned.flatMap(({ looking }) => looking),
    matrix: learned.flatMap(({ matrix }) => matrix),
    requests,
  };
}

/** Of one service. */
function traffic() {
  return {
    proven: endpoints(),
    /** Who passes too, and must go on passing, but teaches nothing. */
    others: endpoints(),
    unsigned: endpoints(),
  };
}

/** Only who was proven and allowed: what a stranger asks for, or somebody is refused, says nothing about what is needed. */
function teaches({ outcome, principal, reason, mode }: DecisionRow): boolean {
  return (
    outcome === 'allow' && reason === '' && mode !== 'off' && principal !== '' && !principal.startsWith('operator:')
  );
}

/** Operators, and strangers where everybody may. Break-glass passes whatever the rules say. */
function passed({ outcome, principal }: DecisionRow): boolean {
  if (outcome === 'public') return true;
  return outcome === 'allow' && principal.startsWith('operator:') && principal !== 'operator:break-glass';
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
 * Paths without a rule, then and now: what was asked for before a rule of its own was written is no news. A pattern that might take a path
 * from a rule that is there is left alone.
 */
function added(service: string, rules: readonly RouteRule[], seen: readonly Endpoint[]): Found[] {
  // As requests have them, whatever of it is percent-encoded in the file.
  const there = rules.map((rule) => ({ rule, path: `/${rulePathKey(rule.path)}` }));
  const isRuled = (endpoint: Endpoint): boolean =>
    there.some(
      ({ rule, path }) => covers(rule, endpoint.method) && !path.endsWith('*') && overlap(path, endpoint.path),
    );
  const unruled = seen.filter((endpoint) => endpoint.label === '*' && isLiteral(endpoint.path) && !isRuled(endpoint));
  const patterns = patternsOf([...new Set(unruled.map(({ path }) => path))]);
  const patternOf = ({ path }: Endpoint): string => {
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

/** HEAD counts as GET. */
function asked(method: string): string {
  return method === 'HEAD' ? 'GET' : method;
}

function isLiteral(path: string): boolean {
  return !path.split('/').some((segment) => segment.startsWith(':') || segment.includes('*'));
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

function publicLooking(service: string, endpoint: Endpoint): PublicLooking {
  const { method, path, who } = endpoint;
  return { service, method, path, addresses: [...who.keys()].slice(0, 5), evidence: evidenceOf(endpoint) };
}

function matrixOf(service: string, seen: readonly Endpoint[]): MatrixLine[] {
  const patterns = patternsOf([...new Set(seen.map(({ path }) => path))]);
  const lines = new Map<string, MatrixLine>();
  for (const { method, path, label, who } of seen) {
    const shown = label === '*' ? (patterns.get(path) ?? path) : label;
    for (const [caller, count] of who) {
      const key = `${caller} ${method} ${shown}`;
      lines.set(key, { caller, service, method, path: shown, requests: count + (lines.get(key)?.requests ?? 0) });
    }
  }
  return [...lines.values()].sort((a, b) => a.caller.localeCompare(b.caller) || b.requests - a.requests);
}
