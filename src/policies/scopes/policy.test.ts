import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callerNamed, requestWith, routeWith } from '../../../test/fixtures/asked.ts';
import { scopesPolicy } from './policy.ts';

const policy = scopesPolicy();

function objectionTo(held: string[], needed: string[], id = 'service:aidb') {
  const objection = policy.check(callerNamed(id, { scopes: held }), requestWith({}), routeWith({ scopes: needed }));
  assert.ok(!(objection instanceof Promise), 'the scopes policy is synchronous');
  return objection;
}

test('a route that asks for no scope is open to a credential without any', () => {
  assert.equal(objectionTo([], []), null);
});

test('all scopes of the route are needed, and further ones do no harm', () => {
  assert.equal(objectionTo(['embed:write', 'embed:read', 'x'], ['embed:read', 'embed:write']), null);
  assert.equal(objectionTo(['embed:read'], ['embed:read', 'embed:write'])?.reason, 'insufficient_scope');
});

test('the refusal names every scope that would be enough', () => {
  assert.deepEqual(objectionTo(['a'], ['a', 'b', 'c'])?.requiredScopes, ['a', 'b', 'c']);
});

test('a credential without scopes has none, whoever holds it', () => {
  for (const id of ['service:aidb', 'holder:embeddings', 'token:7f3c', 'operator:admin'])
    assert.equal(objectionTo([], ['embed:write'], id)?.reason, 'insufficient_scope', id);
});

test('scopes are compared whole: no prefix, no wildcard, no letter case', () => {
  for (const held of ['embed', 'embed:*', '*', 'EMBED:WRITE', 'embed:write2'])
    assert.equal(objectionTo([held], ['embed:write'])?.reason, 'insufficient_scope', held);
});
