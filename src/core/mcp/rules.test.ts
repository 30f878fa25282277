import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isListed, objectionTo, type McpRule, type McpRules } from './rules.ts';
import type { Principal } from '../verdict.ts';

const rule = (given: Partial<McpRule> = {}): McpRule => ({
  callers: null,
  allow: null,
  deny: [],
  scopes: [],
  ...given,
});
const rulesFor = (given: Partial<McpRules>): McpRules => ({ tools: null, resources: null, prompts: null, ...given });
const caller = (id: string, scopes: string[] = []): Principal => ({
  id,
  scheme: 'api-key',
  credentialId: 'k',
  scopes,
  expiresAt: null,
  addresses: null,
});
const aidb = caller('service:aidb');

const call = (name: unknown) => ({ method: 'tools/call', params: { name } });
const reasonFor = (message: Record<string, unknown>, rules: Partial<McpRules>, who = aidb) =>
  objectionTo(message, who, rulesFor(rules))?.reason ?? null;

test('what is allowed may be called, what is denied may not, and denying wins', () => {
  const rules = { tools: [rule({ allow: ['read_*', 'search'], deny: ['read_secret'] })] };
  for (const name of ['search', 'read_file']) assert.equal(reasonFor(call(name), rules), null, name);
  for (const name of ['read_secret', 'write_file', 'Search', 'search ', '']) {
    assert.equal(reasonFor(call(name), rules), 'tool_not_allowed', name);
    assert.equal(isListed('tools', name, aidb, rulesFor(rules)), false, name);
  }
});

test('denied is denied in letters that a careless server takes for the same', () => {
  const rules = { tools: [rule({ deny: ['delete_*'] })] };
  for (const name of ['delete_all', 'DELETE_all', 'Delete_x', 'ｄｅｌｅｔｅ_all'])
    assert.equal(reasonFor(call(name), rules), 'tool_not_allowed', name);
  assert.equal(reasonFor(call('read'), rules), null);
});

test('what is written as no name is takes nobody’s time and is not allowed', () => {
  const rules = { tools: [rule({ deny: ['a', 'b', 'c'] })], resources: [rule({ deny: ['a', 'b', 'c'] })] };
  // Composed, each of these would take minutes or be eighteen times as long.
  for (const name of ['\u0301\u0323'.repeat(1_000_000), '\ufdfa'.repeat(1_000_000), 'a'.repeat(1_000_000)]) {
    assert.equal(reasonFor(call(name), rules), 'tool_not_allowed');
    assert.equal(isListed('tools', name, aidb, rulesFor(rules)), false);
    assert.equal(reasonFor({ method: name }, rules), null);
  }
  const uri = `file:///${'%CC%81%CC%A3'.repeat(1_000_000)}`;
  assert.equal(reasonFor({ method: 'resources/read', params: { uri } }, rules), 'tool_not_allowed');
  assert.equal(reasonFor(call('तालिका_खोजें'), rules), null);
});

test('the first rule that is for a caller counts, and who has none may use nothing', () => {
  const tools = [
    rule({ callers: new Set(['service:aidb']), allow: ['*'], deny: ['drop'] }),
    rule({ callers: new Set(['service:web']), allow: ['search'] }),
  ];
  assert.equal(reasonFor(call('write'), { tools }), null);
  assert.equal(reasonFor(call('drop'), { tools }), 'tool_not_allowed');
  assert.equal(reasonFor(call('search'), { tools }, caller('service:web')), null);
  assert.equal(reasonFor(call('write'), { tools }, caller('service:web')), 'tool_not_allowed');
  assert.equal(reasonFor(call('search'), { tools }, caller('token:1')), 'tool_not_allowed');
});

test('a tool may ask for scopes, and is listed so that they can be asked for', () => {
  const tools = [
    rule({
      scopes: [
        { glob: 'write_*', scopes: ['files:write'] },
        { glob: '*', scopes: ['files'] },
      ],
    }),
  ];
  const objection = objectionTo(call('write_file'), caller('service:aidb', ['files']), rulesFor({ tools }));
  assert.equal(objection?.reason, 'insufficient_scope');
  assert.deepEqual(objection?.requiredScopes, ['files:write', 'files']);
  assert.equal(reasonFor(call('write_file'), { tools }, caller('a', ['files', 'files:write'])), null);
  assert.equal(reasonFor(call('WRITE_file'), { tools }, caller('a', ['files'])), 'insufficient_scope');
  assert.ok(isListed('tools', 'write_file', aidb, rulesFor({ tools })));
});

test('every method that names a tool, a resource or a prompt is judged', () => {
  const nothing = [rule({ allow: [] })];
  const rules = { tools: nothing, resources: nothing, prompts: nothing };
  for (const [method, params] of [
    ['tools/call', { name: 'a' }],
    ['resources/read', { uri: 'file:///a' }],
    ['resources/subscribe', { uri: 'file:///a' }],
    ['resources/unsubscribe', { uri: 'file:///a' }],
    ['prompts/get', { name: 'a' }],
    ['completion/complete', { ref: { type: 'ref/prompt', name: 'a' } }],
    ['completion/complete', { ref: { type: 'ref/resource', uri: 'file:///a' } }],
    ['subscriptions/listen', { notifications: { resourceSubscriptions: ['file:///a'] } }],
  ] as const) {
    assert.equal(reasonFor({ method, params }, rules), 'tool_not_allowed', method);
    assert.equal(reasonFor({ method, params }, {}), null, `${method} without rules`);
  }
  for (const method of ['tools/list', 'initialize', 'ping', 'notifications/initialized', 'server/discover'])
    assert.equal(reasonFor({ method }, rules), null, method);
  assert.equal(reasonFor({ id: 1, result: {} }, rules), null, 'an answer to the server');
});

test('what names nothing, or a method that is nearly judged, is no message', () => {
  const rules = { tools: [rule()], resources: [rule()], prompts: [rule()] };
  for (const message of [
    { method: 'tools/call' },
    call(1),
    call(['search']),
    { method: 'tools/call', params: ['search'] },
    { method: 'Tools/Call', params: { name: 'a' } },
    { method: ' tools/call', params: { name: 'a' } },
    { method: 'completion/complete', params: {} },
    { method: 'completion/complete', params: { ref: { type: 'Ref/Prompt', name: 'a' } } },
    { method: 'subscriptions/listen', params: { notifications: { resourceSubscriptions: 'file:///a' } } },
  ])
    assert.equal(reasonFor(message, rules), 'bad_request', JSON.stringify(message));
  const prompts = { prompts: [rule()] };
  const other = { method: 'completion/complete', params: { ref: { type: 'ref/Prompt', name: 'a' } } };
  assert.equal(
    reasonFor(other, prompts),
    'bad_request',
    'a kind of reference that a careless server takes for another',
  );
});

test('a subscription to nothing is for the server to refuse, parameters by position are not', () => {
  const rules = { resources: [rule({ allow: [] })] };
  for (const method of ['resources/subscribe', 'resources/unsubscribe']) {
    assert.equal(reasonFor({ method, params: {} }, rules), null);
    assert.equal(reasonFor({ method, params: ['file:///a'] }, rules), 'bad_request');
    assert.equal(reasonFor({ method, params: { uri: null } }, rules), 'bad_request');
  }
});

test('a URI that leads out of an allowed folder is not allowed', () => {
  const rules = { resources: [rule({ allow: ['file:///public/*'] })] };
  const read = (uri: string) => reasonFor({ method: 'resources/read', params: { uri } }, rules);
  for (const uri of ['file:///public/a.txt', 'file:///public/a..b', 'file:///public/a/b?c=d'])
    assert.equal(read(uri), null);
  for (const uri of [
    'file:///public/../secret',
    'file:///public/..',
    'file:///public/./a',
    'file:///public/%2e%2e/secret',
    'file:///public/%2E./secret',
    'file:///public/a%2f..%2fb',
    'file:///public/%252e%252e/secret',
    'file:///public/..\\secret',
    'file:///public/\u0000',
    'file:///public/a b',
    'FILE:///public/a',
  ])
    assert.equal(read(uri), 'tool_not_allowed', uri);
});

test('a denied URI is denied in every form that leads to the same', () => {
  const rules = {
    resources: [
      rule({
        deny: ['file:///secret/*', 'file:///etc/passwd', 'https://vault.internal/*'],
        scopes: [{ glob: 'file:///audit/*', scopes: ['audit'] }],
      }),
    ],
  };
  const read = (uri: string) => reasonFor({ method: 'resources/read', params: { uri } }, rules);
  for (const uri of [
    'file:///secret/a',
    'file:///%73ecret/a',
    'file:///SECRET/a',
    'file:/secret/a',
    'file:secret/a',
    'file:////secret/a',
    'file:///secret//a',
    'file://localhost/secret/a',
    'file:///etc/passwd?',
    'file:///etc/passwd#a',
    'file:///etc/passwd/',
    'file:///etc//passwd',
    'file:///etc/pass%77d?a=b',
    'https://vault.internal:443/a',
    'https://me@vault.internal/a',
    'https://VAULT.internal/a',
    'https:vault.internal/a',
  ]) {
    assert.equal(read(uri), 'tool_not_allowed', uri);
    assert.equal(isListed('resources', uri, aidb, rulesFor(rules)), false, uri);
  }
  assert.equal(read('file:///%61udit/a'), 'insufficient_scope');
  for (const uri of [
    'file:///public/100%',
    'file:///public/secret/a',
    'https://example.com',
    'note://secret/a',
    'memo',
  ])
    assert.equal(read(uri), null, uri);
});
