import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AuthRequest } from '../core/request.ts';
import { ruleFor } from '../../test/fixtures/asked.ts';
import type { RouteRule } from '../core/route.ts';
import { routeTable, rulePathKey, type RouteTable } from '../core/route-table.ts';
import type { DecisionRow } from '../core/store.ts';
import { routesPolicy } from '../policies/routes/index.ts';
import { decisionRow } from '../stores/store.fixtures.ts';
import * as fc from '../../test/fixtures/properties.ts';
import { learn } from './learn.ts';
import type { Proposal } from './proposal.ts';

const plain = ruleFor('/');

/** So many requests, a minute apart. */
interface Asked {
  readonly method: string;
  readonly path: string;
  /** '' for a stranger. */
  readonly caller: string;
  readonly times: number;
  /** Before there was any rule. */
  readonly long: boolean;
}

const policy = routesPolicy();

function outcomeBy(table: RouteTable, { method, path, caller }: Asked): Pick<DecisionRow, 'outcome' | 'route'> {
  const route = table.find(method, path);
  if (route.access === 'public' && route.methodAllowed) return { outcome: 'public', route: route.label };
  const principal = { id: caller, scheme: '', credentialId: '', scopes: [], expiresAt: null, addresses: null };
  const passes = caller !== '' && policy.check(principal, { method } as AuthRequest, route) === null;
  return { outcome: passes ? 'allow' : 'would_deny', route: route.label };
}

const isIn = ({ outcome }: Pick<DecisionRow, 'outcome'>): boolean => outcome === 'allow' || outcome === 'public';

async function proposed(
  rules: readonly RouteRule[],
  traffic: readonly Asked[],
  pathsMax?: number,
): Promise<readonly Proposal[]> {
  const [then, now] = [routeTable('embeddings', []), routeTable('embeddings', rules)];
  async function* recorded() {
    for (const asked of traffic) {
      const { method, path, caller, times, long } = asked;
      const outcome = outcomeBy(long ? then : now, asked);
      const reason = isIn(outcome) ? '' : caller === '' ? 'missing_credentials' : 'not_allowed';
      const principal = outcome.outcome === 'public' ? '' : caller;
      for (let minute = 0; minute < times; minute += 1)
        yield decisionRow(minute * 60, { method, path, principal, reason, ...outcome });
    }
  }
  const services = [{ name: 'embeddings', rules }];
  const bounds = pathsMax === undefined ? {} : { pathsMax };
  return (await learn({ rows: recorded(), services, requestsMin: 5, timesMin: 3, ...bounds })).proposals;
}

/** The rules as whoever accepts the proposals has them. */
function accepted(rules: readonly RouteRule[], proposals: readonly Proposal[]): RouteRule[] {
  const narrowed = rules.map((rule, index) => {
    const proposal = proposals.find((each) => each.index === index);
    return proposal ? { ...rule, callers: proposal.callers } : rule;
  });
  const added = proposals
    .filter(({ kind }) => kind === 'add')
    .map(({ path, methods, access, callers }) => ({
      ...plain,
      path,
      methods,
      access: access ?? ('any' as const),
      callers,
    }));
  return [...narrowed, ...added];
}

/** Who passed when seen, passes by the rules, and would not by those that are proposed; or the other way round. */
async function otherwise(rules: readonly RouteRule[], traffic: readonly Asked[], pathsMax: number): Promise<string[]> {
  const proposals = await proposed(rules, traffic, pathsMax);
  const [then, now] = [routeTable('embeddings', []), routeTable('embeddings', rules)];
  const next = routeTable('embeddings', accepted(rules, proposals));
  return (
    traffic
      .filter((each) => isIn(outcomeBy(each.long ? then : now, each)))
      .filter((each) => isIn(outcomeBy(now, each)) !== isIn(outcomeBy(next, each)))
      // A method that no rule of a path names was forgotten there, as far as its callers tell.
      .filter(({ method, path }) => now.find(method, path).methodAllowed)
      .map(({ method, path, caller }) => `${caller} ${method} ${path} by ${JSON.stringify(proposals)}`)
  );
}

const asked = (method: string, path: string, caller: string, times = 50): Asked => ({
  method,
  path,
  caller,
  times,
  long: false,
});

test('a path gets no rule where somebody who cannot be named asks for it by another method', async () => {
  const traffic = [asked('GET', '/reindex', 'service:web'), asked('POST', '/reindex', 'token:1')];
  assert.deepEqual(await proposed([], traffic), []);
});

test('a path gets no rule where another method was used too seldom to be learned', async () => {
  const traffic = [asked('GET', '/reindex', 'service:web'), asked('POST', '/reindex', 'service:nightly', 3)];
  const paths = (await proposed([], traffic)).map(({ path }) => path);
  assert.deepEqual(paths, ['/*']);
});

test('a pattern takes no path from somebody who cannot be named', async () => {
  const web = ['/models/7', '/models/8'].map((path) => asked('GET', path, 'service:web'));
  assert.deepEqual(await proposed([], [...web, asked('GET', '/models/latest', 'token:1')]), []);
  const paths = (await proposed([], [...web, asked('GET', '/models/7/card', 'token:1')])).map(({ path }) => path);
  assert.deepEqual(paths, ['/models/:id'], 'what nobody else asks for is narrowed all the same');
});

test('operators, and strangers at what is public, keep what they have', async () => {
  const web = asked('GET', '/query', 'service:web');
  assert.deepEqual(await proposed([], [web, asked('GET', '/query', 'operator:ann', 1)]), []);
  const rules = [{ ...plain, path: '/query/:id', methods: ['GET'], access: 'public' as const }];
  const before = { ...asked('POST', '/query/all', 'service:web'), long: true };
  assert.deepEqual(
    (await proposed(rules, [before])).map(({ path }) => path),
    ['/query/all', '/*'],
  );
  assert.deepEqual(
    (await proposed(rules, [before, asked('GET', '/query/all', '', 1)])).map(({ path }) => path),
    ['/*'],
  );
});

const items = Array.from({ length: 20 }, (_, index) => asked('GET', `/items/${index}`, 'service:web'));

test('beyond the paths that are told apart, who used a rule is known all the same', async () => {
  const rules = [
    { ...plain, path: '/items/:id' },
    { ...plain, path: '/*' },
  ];
  const traffic = [...items, asked('GET', '/items/x', 'service:ocr')];
  assert.deepEqual(
    (await proposed(rules, traffic, 10)).map(({ path, callers, evidence }) => [path, callers, evidence.requests]),
    [['/items/:id', ['ocr', 'web'], 1050]],
  );
  assert.deepEqual(await proposed(rules, [...traffic, asked('GET', '/items/y', 'token:1', 1)], 10), []);
});

test('what has no rule and may be at any path is nowhere shut out', async () => {
  const paths = async (...more: Asked[]) => (await proposed([], [...items, ...more], 10)).map(({ path }) => path);
  assert.deepEqual(await paths(), ['/items/:id', '/*'], 'the same caller by the same method is no other');
  assert.deepEqual(await paths(asked('POST', '/items/x', 'service:web')), ['/*']);
  assert.deepEqual(await paths(asked('GET', '/items/x', 'service:ocr')), ['/*']);
  assert.deepEqual(await paths(asked('GET', '/query', 'token:1', 1)), []);
});

test('paths that were cut short, and methods that no rule can name, are not shut out either', async () => {
  const rules = [
    { ...plain, path: '/search/*' },
    { ...plain, path: '/*' },
  ];
  const web = asked('GET', '/search/a', 'service:web');
  assert.deepEqual((await proposed(rules, [web])).length, 1);
  assert.deepEqual(await proposed(rules, [web, asked('GET', `/search/${'b'.repeat(2038)}…`, 'token:1')]), []);
  assert.deepEqual(await proposed(rules, [web, asked('M-SEARCH', '/search/a', 'token:1')]), []);
});

test('whoever passes by the rules goes on passing by what is proposed, and nobody else does, whatever was seen', async () => {
  const path = fc.constantFrom(
    '/',
    '/a',
    '/a/',
    '/a/b',
    '/a/c',
    '/a/d',
    '/a/e',
    '/a/f',
    '/a/7',
    '/a/8',
    '/a/7/b',
    '/b',
    '/b/7',
    '/caf%C3%A9',
  );
  const rule = fc.record({
    ...Object.fromEntries(Object.entries(plain).map(([name, value]) => [name, fc.constant(value)])),
    path: fc.constantFrom('/', '/*', '/a', '/a/:id', '/a/:name', '/a/b', '/a/*', '/:kind/b', '/a/7', '/b/:id', '/café'),
    methods: fc.constantFrom(null, null, ['GET'], ['POST'], ['HEAD', 'DELETE']),
    access: fc.constantFrom('any', 'any', 'any', 'service', 'public', 'operator'),
    callers: fc.constantFrom(null, null, null, ['web'], ['web', 'token:1']),
  }) as fc.Arbitrary<RouteRule>;
  const key = ({ path: at, methods }: RouteRule) => `${methods?.join() ?? '*'} ${rulePathKey(at)}`;
  const seen = fc.record({
    method: fc.constantFrom('GET', 'GET', 'POST', 'HEAD', 'DELETE'),
    path,
    caller: fc.constantFrom(
      'service:web',
      'service:web',
      'service:nightly',
      'holder:stack',
      'token:1',
      'operator:a',
      '',
    ),
    times: fc.constantFrom(1, 4, 6, 12),
    long: fc.boolean(),
  });
  const rules = fc.uniqueArray(rule, { selector: key, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(
      rules,
      fc.array(seen, { minLength: 1, maxLength: 12 }),
      fc.constantFrom(0, 1, 3, 100),
      async (given, traffic, pathsMax) => assert.deepEqual(await otherwise(given, traffic, pathsMax), []),
    ),
    { numRuns: 1500 },
  );
});
