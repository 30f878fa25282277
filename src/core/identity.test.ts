import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callerNamed, ruleFor } from '../../test/fixtures/asked.ts';
import type { Decision } from './decision.ts';
import { IDENTITY_HEADERS, identityValues, isIdentityHeader } from './identity.ts';
import { allow, deny, type Verdict } from './verdict.ts';

const aidb = callerNamed('service:aidb', { scheme: 'first', scopes: ['embed:read', 'embed:write'] });

function decisionWith(verdict: Verdict | null, details: Partial<Decision> = {}): Decision {
  const route = {
    ...ruleFor('/embed'),
    service: 'embeddings',
    label: '/embed',
    methodAllowed: true,
    mcp: null,
    origins: null,
  };
  return { verdict, route, mode: 'enforce', outcome: 'allow', durationMicros: 1, ...details };
}

test('a proven caller is named with its scopes and the mode', () => {
  assert.deepEqual(identityValues(decisionWith(allow(aidb))), [
    'aidb',
    'service:aidb',
    'embed:read embed:write',
    'enforce',
  ]);
});

test('nobody is named who was not proven, whatever they claim and whether or not they pass', () => {
  const denied = deny('not_allowed', 'n', { caller: { id: 'service:aidb', proven: true } });
  assert.deepEqual(identityValues(decisionWith(denied, { mode: 'report', outcome: 'would_deny' })), [
    '',
    '',
    '',
    'report',
  ]);
  assert.deepEqual(identityValues(decisionWith(null, { outcome: 'public' })), ['', '', '', 'enforce']);
});

test('every header that we stamp is one that clients may not send, however it is written', () => {
  for (const header of IDENTITY_HEADERS) {
    for (const form of [
      header,
      header.toLowerCase(),
      header.toUpperCase(),
      header.replaceAll('-', '_'),
      header.replaceAll('-', '.'),
      header.replace('-', '_'),
      header.replaceAll('-', '!'),
      header.replaceAll('-', '~'),
    ])
      assert.equal(isIdentityHeader(form), true, form);
  }
  for (const name of ['X-Auth-Anything', 'x_auth.user', "x'auth|user", 'X-AUTH-'])
    assert.equal(isIdentityHeader(name), true, name);
});

test('other headers pass', () => {
  for (const name of [
    'X-Auth-Token',
    'x_auth_token',
    'Authorization',
    'X-Author',
    'X-Forwarded-For',
    'x-auth',
    'Xauth-user',
    '',
    'x-api-key',
    'y-auth-user',
  ])
    assert.equal(isIdentityHeader(name), false, name);
});
