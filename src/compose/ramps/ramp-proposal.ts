import { stringify } from 'yaml';
import type { AskedRoutes } from '../../audit/report/asked-routes.ts';
import { meansRoute, routeName } from '../../rollout/ramp/plan.ts';
import { strangersIn, type Strangers } from './predicted-refusals.ts';

export interface ProposedRoute {
  readonly service: string;
  readonly label: string;
}

interface Group {
  readonly words: string;
  readonly routes: readonly string[];
  readonly steps: readonly { readonly callers?: string; readonly soak: string; readonly promote?: 'manual' }[];
}

/**
 * A plan to start from, the safest first: routes at which nobody who is known would be refused, for a tenth of the callers and
 * then for all; routes that nobody asked for; and by hand those at which somebody is to be mended first, who is named.
 */
export function proposedRamp(
  routes: readonly ProposedRoute[],
  { refusals, asked: busy, since, until }: AskedRoutes,
  isKnown: (caller: string) => boolean,
): string {
  const atRisk = refusals.filter(({ caller }) => isKnown(caller));
  const wanting = new Set(atRisk.map(seenAt));
  const asked = new Set([...busy.map(seenAt), ...refusals.map(seenAt)]);
  const named = routes.map((route) => {
    const meant = meantBy(route, routes);
    const isWanting = meant.some((name) => wanting.has(name));
    return { name: nameOf(route), isWanting, isReady: !isWanting && meant.every((name) => asked.has(name)) };
  });
  const namesOf = (found: typeof named): string[] => found.map(({ name }) => name);
  const groups: readonly Group[] = [
    {
      words: 'Nobody who is known would be refused.',
      routes: namesOf(named.filter((route) => route.isReady)),
      steps: [{ callers: '10%', soak: '10m' }, { soak: '30m' }],
    },
    {
      words: 'Few or no requests were seen; whoever calls seldom shows here.',
      routes: namesOf(named.filter((route) => !route.isReady && !route.isWanting)),
      steps: [{ soak: '24h' }],
    },
    {
      words: [
        'To be mended first:',
        ...atRisk
          .slice(0, 50)
          .map((one) => `  ${one.caller} at ${seenAt(one)}: ${one.reason}, ${timesWords(one.count)}`),
      ].join('\n'),
      routes: namesOf(named.filter((route) => route.isWanting)),
      steps: [{ soak: '30m', promote: 'manual' }],
    },
  ];
  const steps = groups
    .filter((group) => group.routes.length > 0)
    .map(({ words: known, routes: meant, steps: each }) => {
      const theirs = refusals.filter((one) => meant.includes(seenAt(one)));
      const words = [known, ...strangerWords(strangersIn(theirs, isKnown))].join('\n');
      return each
        .map((step, index) => {
          const item = stringify([{ routes: meant, ...step }], { lineWidth: 0 });
          return index === 0 ? comment(words) + item : item;
        })
        .join('');
    });
  return `${comment(`Made from what was recorded from ${since} to ${until}. Steps follow one another, each after its soak and when every gate says yes.`)}name: enforce
interval: 1m
minSamples: 20
failureLimit: 0
consecutiveSuccessLimit: 3
gates:
  clockSkew: 120s
  keyExpiry: true
steps:
${steps.join('').replace(/^(?=.)/gm, '  ')}`;
}

/** In a plan the name of a route is a pattern: 'embeddings/*' means all that the service has, and waits for all of it. */
function meantBy(route: ProposedRoute, routes: readonly ProposedRoute[]): string[] {
  const name = nameOf(route);
  return routes.filter(({ service, label }) => meansRoute([name], service, label)).map(nameOf);
}

function nameOf({ service, label }: ProposedRoute): string {
  return routeName(service, label);
}

const strangersMax = 20;

/** No gate waits for them, and one may be a health check that nobody gave a key. */
function strangerWords(strangers: readonly Strangers[]): string[] {
  if (strangers.length === 0) return [];
  const more = strangers.length - strangersMax;
  return [
    'Would be refused besides, and is known to nobody; what is yours of it, a health check say, is to be mended first:',
    ...strangers
      .slice(0, strangersMax)
      .map(({ who, routes, reason, requests }) => `  ${who} at ${routes}: ${reason}, ${timesWords(requests)}`),
    ...(more > 0 ? [`  and ${more} more: countersign report`] : []),
  ];
}

function timesWords(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}

/** As the report names it. */
function seenAt({ service, route }: { readonly service: string; readonly route: string }): string {
  return routeName(service, route);
}

function comment(words: string): string {
  return words
    .split('\n')
    .map((line) => `# ${line.replace(/[^\x20-\x7e]/g, '?')}\n`)
    .join('');
}
