import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/fixtures/properties.ts';
import { ruleFor } from '../../test/fixtures/asked.ts';
import { routeTable, rulePathFault, rulePathKey } from './route-table.ts';
import type { RouteRule } from './route.ts';
import { parseTarget } from './target.ts';

function tableOf(...rules: readonly (string | RouteRule)[]) {
  const table = routeTable(
    'embeddings',
    rules.map((rule) => (typeof rule === 'string' ? ruleFor(rule) : rule)),
  );
  return (target: string, method = 'GET') => {
    const parsed = parseTarget(target);
    assert.ok(parsed.ok, target);
    return table.find(method, parsed.path);
  };
}

test('a path without a rule asks for any proven caller', () => {
  const route = tableOf('/embed')('/other');
  assert.deepEqual([route.label, route.access, route.methodAllowed, route.service], ['*', 'any', true, 'embeddings']);
});

test('a path is exact, and covers itself with a trailing slash', () => {
  const find = tableOf('/embed');
  assert.equal(find('/embed').label, '/embed');
  assert.equal(find('/embed/').label, '/embed');
  assert.equal(find('/embed/x').label, '*');
  assert.equal(find('/embedded').label, '*');
  assert.equal(find('/Embed').label, '*');
});

test('a final /* means it and all below it', () => {
  const find = tableOf('/internal/*');
  for (const target of ['/internal', '/internal/', '/internal/a', '/internal/a/b/'])
    assert.equal(find(target).label, '/internal/*', target);
  for (const target of ['/', '/internals', '/a/internal']) assert.equal(find(target).label, '*', target);
  assert.equal(tableOf('/*')('/').label, '/*');
  assert.equal(tableOf('/')('/').label, '/');
  assert.equal(tableOf('/')('/a').label, '*');
});

test('a parameter is one segment, never none and never two', () => {
  const find = tableOf('/models/:name/load');
  assert.equal(find('/models/llama3:8b/load').label, '/models/:name/load');
  assert.equal(find('/models/r%C3%A9/load/').label, '/models/:name/load');
  assert.equal(find('/models/a/b/load').label, '*');
  assert.equal(find('/models/load').label, '*');
  assert.equal(tableOf('/models/:name')('/models/').label, '*');
});

test('the most specific path wins, whatever the order', () => {
  const rules = ['/*', '/a/*', '/a/:x', '/a/b', '/a/:x/c', '/a/b/*', '/:y/b'];
  const expected: Record<string, string> = {
    '/a/b': '/a/b',
    '/a/q': '/a/:x',
    '/a/b/c': '/a/b/*',
    '/a/q/c': '/a/:x/c',
    '/a/q/d': '/a/*',
    '/z/b': '/:y/b',
    '/z/q': '/*',
    '/a': '/a/*',
    '/': '/*',
  };
  for (const order of [rules, rules.toReversed(), rules.toSorted()]) {
    const find = tableOf(...order);
    for (const [target, label] of Object.entries(expected)) assert.equal(find(target).label, label, target);
  }
});

test('a start that leads nowhere gives way to the next best one', () => {
  const find = tableOf('/a/b/c', '/a/:x/d', '/a/*');
  assert.equal(find('/a/b/d').label, '/a/:x/d');
  assert.equal(find('/a/b/e').label, '/a/*');
});

test('encoding a letter does not side-step a rule', () => {
  const find = tableOf('/admin/*', '/models/llama3:8b', '/a+b', '/été');
  for (const target of ['/%61dmin/x', '/admi%6E/x', '/%61%64%6d%69%6e'])
    assert.equal(find(target).label, '/admin/*', target);
  assert.equal(find('/models/llama3%3A8b').label, '/models/llama3:8b');
  assert.equal(find('/models/llama3%3a8b/').label, '/models/llama3:8b');
  assert.equal(find('/a%2Bb').label, '/a+b');
  assert.equal(find('/%C3%A9t%c3%a9').label, '/été');
});

test('a rule may be written encoded and still meets the plain path', () => {
  const find = tableOf('/llama3%3A8b', '/%61bc');
  assert.equal(find('/llama3:8b').label, '/llama3%3A8b');
  assert.equal(find('/abc').label, '/%61bc');
});

test('a path with rules but none for the method is forbidden, whatever wider rules say', () => {
  const find = tableOf(
    ruleFor('/embed', { methods: ['POST'], access: 'public', mode: 'report' }),
    ruleFor('/*', { access: 'public' }),
  );
  const route = find('/embed', 'DELETE');
  assert.deepEqual([route.methodAllowed, route.access, route.label, route.mode], [false, 'any', '/embed', 'report']);
  assert.equal(find('/embed', 'POST').methodAllowed, true);
  assert.equal(find('/embed', 'DELETE'), route);
});

test('HEAD counts as GET, unless a rule names it; GET never counts as HEAD', () => {
  const find = tableOf(ruleFor('/a', { methods: ['GET'] }), ruleFor('/b', { methods: ['HEAD'] }));
  assert.equal(find('/a', 'HEAD').methodAllowed, true);
  assert.equal(find('/b', 'GET').methodAllowed, false);
  assert.equal(find('/a', 'head').methodAllowed, false);
});

test('rules for the methods of one path stand side by side, one without methods takes the rest', () => {
  const find = tableOf(
    ruleFor('/a', { methods: ['GET'], scopes: ['read'] }),
    ruleFor('/a', { methods: ['PUT', 'POST'], scopes: ['write'] }),
    ruleFor('/a', { scopes: ['other'] }),
  );
  assert.deepEqual(['GET', 'HEAD', 'PUT', 'POST', 'DELETE'].map((method) => find('/a', method).scopes[0]), [
    'read', 'read', 'write', 'write', 'other',
  ]); // prettier-ignore
});

test('two rules for the same path and method are refused when the table is built', () => {
  const same: [RouteRule, RouteRule][] = [
    [ruleFor('/a'), ruleFor('/a')],
    [ruleFor('/a/:x'), ruleFor('/a/:y')],
    [ruleFor('/a:b'), ruleFor('/a%3Ab')],
    [ruleFor('/a', { methods: ['GET', 'PUT'] }), ruleFor('/a', { methods: ['PUT'] })],
    [ruleFor('/a/*'), ruleFor('/a/*')],
  ];
  for (const rules of same) {
    assert.throws(() => routeTable('embeddings', rules), /two rules/);
    assert.equal(rulePathKey(rules[0].path), rulePathKey(rules[1].path));
  }
});

test('a rule path that no request can have is refused with what to write instead', () => {
  const faulty = [
    '', 'embed', '/a/', '/a//b', '/a?b', '/a#b', '/a/*/b', '/a*', '/a/**', '/:', '/a/:1', '/a/:x-y', '/a b', '/a/../b', '/a/.', '/a\\b',
    '/a;b', '/a%2Fb', '/a%zz', '/a%00', '/\ud800',
  ]; // prettier-ignore
  for (const path of faulty) {
    assert.ok((rulePathFault(path)?.length ?? 0) > 10, path);
    assert.throws(() => routeTable('embeddings', [ruleFor(path)]), TypeError, path);
  }
  for (const path of ['/', '/*', '/a', '/a/*', '/:x', '/a/:x_1/*', '/été', '/%C3%A9', '/a:b', '/.well-known/x'])
    assert.equal(rulePathFault(path), null, path);
});

/** The rule that a reader of docs/configuration.md would pick: compare segment by segment, literal before parameter before '/*'. */
function oracle(rules: readonly string[], path: string): string {
  const wanted = path.split('/').slice(1);
  if (wanted.at(-1) === '') wanted.pop();
  const fitting = rules.filter((rule) => fits(rule, wanted));
  return fitting.sort((a, b) => (rank(a) < rank(b) ? -1 : 1))[0] ?? '*';
}

function fits(rule: string, wanted: readonly string[]): boolean {
  const segments = rule
    .split('/')
    .slice(1)
    .filter((segment) => segment !== '');
  const below = segments.at(-1) === '*';
  if (below) segments.pop();
  if (below ? wanted.length < segments.length : wanted.length !== segments.length) return false;
  return segments.every((segment, index) => segment.startsWith(':') || segment === wanted[index]);
}

/** One letter per segment: a for a literal, b for the end of an exact path, c for a parameter, d for '/*'. */
function rank(rule: string): string {
  const kinds = rule
    .split('/')
    .slice(1)
    .map((segment) => (segment === '*' ? 'd' : segment.startsWith(':') ? 'c' : segment === '' ? '' : 'a'));
  return kinds.at(-1) === 'd' ? kinds.join('') : `${kinds.join('')}b`;
}

test('every table agrees with a naive reading of its rules, whatever their order', () => {
  const segment = fc.constantFrom('a', 'b', 'c', ':x');
  const rule = fc
    .tuple(fc.array(segment, { maxLength: 4 }), fc.boolean())
    .map(([segments, below]) => `/${[...segments, ...(below ? ['*'] : [])].join('/')}`);
  const rules = fc.uniqueArray(rule, { maxLength: 12, selector: rulePathKey });
  const path = fc
    .tuple(fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 5 }), fc.boolean())
    .map(([segments, slash]) => `/${segments.join('/')}${slash && segments.length > 0 ? '/' : ''}`);
  fc.assert(
    fc.property(rules, fc.array(path, { minLength: 1, maxLength: 8 }), (written, paths) => {
      const find = tableOf(...written);
      for (const target of paths)
        assert.equal(find(target).label, oracle(written, target), `${target} in ${written.join(' ')}`);
    }),
    { numRuns: 2000 },
  );
});
