import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressList } from '../../core/address.ts';
import { callerNamed, requestWith, routeWith } from '../../../test/fixtures/asked.ts';
import { addressesPolicy } from './policy.ts';

const policy = addressesPolicy();

function reasonFor(remoteAddress: string, route: string[] | null, credential: string[] | null): string | null {
  const principal = callerNamed('service:aidb', { addresses: credential && addressList(credential) });
  const objection = policy.check(
    principal,
    requestWith({ remoteAddress }),
    routeWith({ addresses: route && addressList(route) }),
  );
  assert.ok(!(objection instanceof Promise), 'the addresses policy is synchronous');
  return objection?.reason ?? null;
}

test('a caller passes from anywhere when nothing is said', () => {
  assert.equal(reasonFor('203.0.113.9', null, null), null);
});

test('the addresses of the route bind every caller', () => {
  assert.equal(reasonFor('10.1.2.3', ['10.0.0.0/8'], null), null);
  assert.equal(reasonFor('11.1.2.3', ['10.0.0.0/8'], null), 'address_not_allowed');
});

test('the addresses of the credential bind it on every route', () => {
  assert.equal(reasonFor('10.1.2.3', null, ['10.1.2.3']), null);
  assert.equal(reasonFor('10.1.2.4', null, ['10.1.2.3']), 'address_not_allowed');
});

test('both must agree', () => {
  assert.equal(reasonFor('10.1.2.3', ['10.0.0.0/8'], ['192.168.0.0/16']), 'address_not_allowed');
  assert.equal(reasonFor('192.168.0.1', ['10.0.0.0/8'], ['192.168.0.0/16']), 'address_not_allowed');
});

test('an IPv4 caller on a dual-stack socket is judged by its IPv4 address', () => {
  assert.equal(reasonFor('::ffff:10.1.2.3', ['10.0.0.0/8'], null), null);
  assert.equal(reasonFor('::ffff:11.1.2.3', ['10.0.0.0/8'], null), 'address_not_allowed');
});

test('what is no address is in no list', () => {
  assert.equal(reasonFor('', ['0.0.0.0/0', '::/0'], null), 'address_not_allowed');
});
