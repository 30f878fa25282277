import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { McpRules } from '../../core/mcp/rules.ts';
import { BodyError, type AuthRequest } from '../../core/request.ts';
import { callerNamed, requestWith, routeWith } from '../../../test/fixtures/asked.ts';
import { openSocketsPolicy, toolsPolicy } from './policy.ts';

const policy = toolsPolicy();
const mcp: McpRules = {
  tools: [{ callers: null, allow: ['search'], deny: [], scopes: [] }],
  resources: null,
  prompts: null,
};
const messageTo = (name: string): Uint8Array =>
  Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name } }));

async function reasonFor(details: Partial<AuthRequest>, rules: McpRules | null = mcp): Promise<string | null> {
  const request = requestWith({ method: 'POST', bodyPresence: 'present', ...details });
  return (await policy.check(callerNamed('service:aidb'), request, routeWith({ mcp: rules })))?.reason ?? null;
}

test('a route without rules is not looked at, and its body is left alone', async () => {
  assert.equal(await reasonFor({ body: () => assert.fail('the body was read') }, null), null);
});

test('the caller may use what the rules name, and the objection names the caller', async () => {
  assert.equal(await reasonFor({ body: async () => messageTo('search') }), null);
  assert.equal(await reasonFor({ body: async () => messageTo('wipe') }), 'tool_not_allowed');
  const request = requestWith({ method: 'POST', bodyPresence: 'present', body: async () => messageTo('wipe') });
  const objection = await policy.check(callerNamed('service:aidb'), request, routeWith({ mcp }));
  assert.deepEqual(objection?.caller, { id: 'service:aidb', proven: true });
});

test('what has no body asks for nothing', async () => {
  for (const method of ['GET', 'DELETE', 'POST']) assert.equal(await reasonFor({ method, bodyPresence: 'none' }), null);
});

test('a body that is not seen is not let through: forward auth cannot judge it', async () => {
  assert.equal(await reasonFor({ bodyPresence: 'unseen' }), 'tool_not_allowed');
  assert.equal(await reasonFor({ bodyPresence: 'unseen', method: 'GET' }), null);
  // nginx and HAProxy ask without Upgrade, which belongs to one connection, and Traefik does.
  const fields = (name: string) => (name === 'sec-websocket-key' ? ['AAAAAAAAAAAAAAAAAAAAAA=='] : []);
  assert.equal(await reasonFor({ bodyPresence: 'unseen', method: 'GET', fields }), 'not_allowed');
});

test('a body that cannot be had is an outage of the body, and not an objection', async () => {
  const body = () => Promise.reject(new BodyError('body_too_large', 'too large'));
  await assert.rejects(reasonFor({ body }), { code: 'body_too_large' });
});

test('headers that say something else than the message are refused', async () => {
  const base64 = (text: string): string => `=?base64?${Buffer.from(text).toString('base64')}?=`;
  for (const [method, name, reason] of [
    ['tools/call', 'search', null],
    ['tools/call', base64('search'), null],
    ['tools/call', null, null],
    ['tools/list', 'search', 'header_mismatch'],
    ['Tools/Call', 'search', 'header_mismatch'],
    ['tools/call', 'wipe', 'header_mismatch'],
    ['tools/call', base64('wipe'), 'header_mismatch'],
    [null, 'wipe', 'header_mismatch'],
  ] as const) {
    const lines = new Map([
      ['mcp-method', method],
      ['mcp-name', name],
    ]);
    const fields = (asked: string) => (lines.get(asked) ? [lines.get(asked) as string] : []);
    assert.equal(await reasonFor({ fields, body: async () => messageTo('search') }), reason, `${method} ${name}`);
  }
});

test('a version beside the message that is not the one within it is refused, and the answer bears its id', async () => {
  const meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' };
  const message = { jsonrpc: '2.0', id: 'seven', method: 'tools/list', params: { _meta: meta } };
  const judged = (version: string, body: unknown) =>
    policy.check(
      callerNamed('service:aidb'),
      requestWith({
        method: 'POST',
        bodyPresence: 'present',
        fields: (asked) => (asked === 'mcp-protocol-version' ? [version] : []),
        body: async () => Buffer.from(JSON.stringify(body)),
      }),
      routeWith({ mcp }),
    );
  assert.equal(await judged('2026-07-28', message), null);
  assert.equal(await judged('2025-11-25', { ...message, params: {} }), null);
  const refused = await judged('2025-11-25', message);
  assert.deepEqual([refused?.reason, refused?.messageId], ['header_mismatch', 'seven']);
  for (const body of [[message, message], { ...message, id: { not: 'one' } }, { ...message, id: 'x'.repeat(300) }])
    assert.equal((await judged('2025-11-25', body))?.messageId, null);
});

test('a name beside a message of an extension is for its server to judge', async () => {
  const lines: Readonly<Record<string, string>> = { 'mcp-method': 'tasks/get', 'mcp-name': 'task-1' };
  const fields = (asked: string): string[] => (lines[asked] === undefined ? [] : [lines[asked]]);
  const body = async (): Promise<Uint8Array> =>
    Buffer.from(JSON.stringify({ id: 1, method: 'tasks/get', params: { taskId: 'task-1' } }));
  assert.equal(await reasonFor({ fields, body }), null);
});

test('an offer to upgrade that is ignored is no WebSocket', async () => {
  const fields = (asked: string): string[] => (asked === 'upgrade' ? ['h2c'] : []);
  const body = async (): Promise<Uint8Array> => messageTo('search');
  assert.equal(await reasonFor({ fields, body, upgrades: false }), null);
  assert.equal(await reasonFor({ fields, body, upgrades: true }), 'not_allowed');
  assert.equal(await reasonFor({ fields, body }), 'not_allowed', 'where nobody says which');
});

test('messages that would pass unread are refused by their form', async () => {
  const fields = (name: string, value: string) => (asked: string) => (asked === name ? [value] : []);
  for (const [name, value, reason] of [
    ['upgrade', 'websocket', 'not_allowed'],
    ['content-encoding', 'br', 'bad_request'],
    ['content-encoding', 'identity, gzip', 'bad_request'],
    ['content-type', 'application/json; charset="utf-16"', 'bad_request'],
    ['content-type', 'application/json;charset = latin1', 'bad_request'],
    ['content-type', 'application/json; charset=utf-7', 'bad_request'],
    ['content-type', 'application/json; charset=utf-8; charset=utf-7', 'bad_request'],
    ['content-type', 'application/json; x="; charset=utf-8"; charset=utf-7', 'bad_request'],
    ['content-type', 'application/json, text/plain; charset=utf-7', 'bad_request'],
    ['content-type', `application/json${' '.repeat(16_000)}x`, 'bad_request'],
    ['content-type', 'application/json; charset="utf-8"', null],
    ['content-type', 'application/json;charset=UTF-8', null],
    ['content-type', 'application/json', null],
    ['content-encoding', 'identity', null],
  ] as const)
    assert.equal(
      await reasonFor({ fields: fields(name, value), body: async () => messageTo('search') }),
      reason,
      value,
    );
  const types = ['application/json', 'application/json; charset=utf-7'];
  const twice = (asked: string) => (asked === 'content-type' ? types : []);
  assert.equal(await reasonFor({ fields: twice, body: async () => messageTo('search') }), 'bad_request');
});

test('a WebSocket that is open when rules come about is objected to, and nothing else that is', async () => {
  const open = openSocketsPolicy();
  const reasonOf = async (details: Partial<AuthRequest>, rules: McpRules | null) =>
    (await open.check(callerNamed('service:aidb'), requestWith(details), routeWith({ mcp: rules })))?.reason ?? null;
  assert.equal(await reasonOf({ upgrades: true }, mcp), 'not_allowed');
  assert.equal(await reasonOf({ upgrades: false }, mcp), null);
  assert.equal(await reasonOf({ upgrades: true }, { tools: null, resources: null, prompts: null }), null);
  assert.equal(await reasonOf({ upgrades: true }, null), null);
});
