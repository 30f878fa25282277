import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callerNamed, requestWith, routeWith } from '../../../test/fixtures/asked.ts';
import { routesPolicy } from './policy.ts';

const policy = routesPolicy();

function reasonFor(id: string, rule: Parameters<typeof routeWith>[0], method = 'GET'): string | null {
  const objection = policy.check(callerNamed(id), requestWith({ method }), routeWith(rule));
  assert.ok(!(objection instanceof Promise), 'the routes policy is synchronous');
  return objection?.reason ?? null;
}

const everyone = ['service:aidb', 'holder:embeddings', 'token:7f3c', 'client:app', 'operator:admin'];

test('any proven caller passes access any and public', () => {
  for (const id of everyone) {
    assert.equal(reasonFor(id, { access: 'any' }), null, id);
    assert.equal(reasonFor(id, { access: 'public' }), null, id);
  }
});

test('access service takes services and holders of a shared key only', () => {
  const passing = everyone.filter((id) => reasonFor(id, { access: 'service' }) === null);
  assert.deepEqual(passing, ['service:aidb', 'holder:embeddings']);
  assert.equal(reasonFor('token:7f3c', { access: 'service' }), 'not_allowed');
});

test('access operator takes operators only', () => {
  const passing = everyone.filter((id) => reasonFor(id, { access: 'operator' }) === null);
  assert.deepEqual(passing, ['operator:admin']);
});

test('a bare name among the callers means the service of that name', () => {
  assert.equal(reasonFor('service:aidb', { callers: ['aidb'] }), null);
  assert.equal(reasonFor('token:aidb', { callers: ['aidb'] }), 'not_allowed');
  assert.equal(reasonFor('service:other', { callers: ['aidb'] }), 'not_allowed');
});

test('a name with a colon is a whole principal id', () => {
  assert.equal(reasonFor('token:7f3c', { callers: ['token:7f3c'] }), null);
  assert.equal(reasonFor('service:token:7f3c', { callers: ['token:7f3c'] }), 'not_allowed');
});

test('a shared key never satisfies callers, even where it is named', () => {
  assert.equal(reasonFor('holder:aidb', { callers: ['aidb'] }), 'not_allowed');
  assert.equal(reasonFor('holder:aidb', { callers: ['holder:aidb'] }), 'not_allowed');
});

test('an empty list of callers lets nobody through', () => {
  for (const id of everyone) assert.equal(reasonFor(id, { callers: [] }), 'not_allowed', id);
});

test('callers do not lift what access asks for', () => {
  assert.equal(reasonFor('token:7f3c', { access: 'service', callers: ['token:7f3c'] }), 'not_allowed');
});

test('a path without a rule for the method is refused to every proven caller', () => {
  for (const id of everyone)
    assert.equal(reasonFor(id, { methodAllowed: false, callers: null }, 'DELETE'), 'not_allowed');
});

test('the objection names the proven caller, its scheme and its credential', () => {
  const objection = policy.check(callerNamed('service:other'), requestWith({}), routeWith({ callers: ['aidb'] }));
  assert.ok(objection && !(objection instanceof Promise));
  assert.deepEqual(objection.caller, { id: 'service:other', proven: true });
  assert.equal(objection.scheme, 'api-key');
  assert.equal(objection.credentialId, 'k1');
});
