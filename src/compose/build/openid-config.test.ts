import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../load/load.ts';

const openid = (more: string): string => `
operators: { openid: { issuer: https://login.example.org, clientId: countersign, roleClaim: groups, ${more} } }
services: { files: { upstream: 'http://127.0.0.1:9001' } }
`;

test('a provider of operators is read with its defaults', () => {
  const config = parseConfig(openid('roles: { operator: [admins] }'), { file: null, env: {} });
  assert.deepEqual(config.openid, {
    issuer: 'https://login.example.org',
    clientId: 'countersign',
    clientSecretFile: null,
    scopes: [],
    nameClaim: 'sub',
    roleClaim: 'groups',
    roles: { operator: ['admins'], viewer: [] },
  });
});

for (const [what, text, words] of [
  ['nobody may', 'roles: {}', /nobody may log in/],
  ['nothing says who may', 'nameClaim: email', /roles/],
  ['one value means two roles', 'roles: { operator: [a], viewer: [b, a] }', /the same value/],
  [
    'the file of the secret is not there',
    'roles: { viewer: [a] }, clientSecretFile: /nowhere/secret',
    /does not exist/,
  ],
] as const)
  test(`refused: ${what}`, () => assert.throws(() => parseConfig(openid(text), { file: null, env: {} }), words));

test('refused: a provider that is reached without encryption', () => {
  const text = openid('roles: { viewer: [a] }').replace('https:', 'http:');
  assert.throws(() => parseConfig(text, { file: null, env: {} }), /without encryption/);
});
