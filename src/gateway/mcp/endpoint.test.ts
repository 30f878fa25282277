import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listFilter } from '../../core/mcp/lists.ts';
import type { McpRules } from '../../core/mcp/rules.ts';
import { callersEndpoint } from './endpoint.ts';

const principal = {
  id: 'service:aidb',
  scheme: 'api-key',
  credentialId: 'k',
  scopes: [],
  expiresAt: null,
  addresses: null,
};

test('an endpoint is moved however its event is written and cut, and no other event is', () => {
  const endpoint = { streamUrl: new URL('http://127.0.0.1:1/base/sse'), basePath: '/base', callerPath: '/files' };
  const rules: McpRules = { tools: null, resources: null, prompts: null };
  const sessions = { bound: (id: string) => `sealed ${id}`, opened: (id: string) => id };
  const told = (data: string) => callersEndpoint(data, endpoint, sessions);
  const moved = (pieces: readonly string[]): string => {
    const filter = listFilter('text/event-stream', '', { principal, rules, moved: told });
    assert.ok(filter);
    return Buffer.concat([...pieces.map((piece) => filter.push(Buffer.from(piece))), filter.end()]).toString();
  };
  const expected = 'data: /files/m?a=1&sessionId=sealed%207\n\n';
  for (const pieces of [
    ['event: endpoint\ndata: /base/m?a=1&sessionId=7\n\n'],
    ['event:endpoint\rdata:/base/m?a=1&sessionId=7\r\r'],
    ['event: message\r\neve', 'nt: endpoint\r\ndata: m?a=1&sess', 'ionId=7\r\n\r\n'],
    ['data: http://127.0.0.1:1/base/m?a=1&sessionId=7\nevent: endpoint\n', '\n'],
    ['\ufeffevent: endpoint\ndata: /base/m?a=1&sessionId=7\n\n'],
  ])
    assert.ok(moved(pieces).endsWith(expected), JSON.stringify(moved(pieces)));
  for (const other of ['data: {"endpoint":"/base/m"}\n\n', 'event: endpoints\ndata: /base/m\n\n', ': endpoint\n\n'])
    assert.equal(moved([other]), other);
  for (const elsewhere of [
    '//evil.test/base/m',
    'https://127.0.0.1:1/base/m',
    'javascript:1',
    '/m',
    '/base/../m',
    '\\\\evil',
  ])
    assert.throws(() => moved([`event: endpoint\ndata: ${elsewhere}\n\n`]), elsewhere);
});

test('behind no prefix an endpoint is a path too, and no other host', () => {
  const sessions = { bound: (id: string) => id, opened: (id: string) => id };
  for (const basePath of ['', '/base']) {
    const endpoint = { streamUrl: new URL(`http://127.0.0.1:1${basePath}/sse`), basePath, callerPath: '' };
    const told = (data: string) => callersEndpoint(data, endpoint, sessions);
    assert.equal(told(`${basePath}/m?a=1`), '/m?a=1');
    for (const path of ['//evil.test/m', '/\\evil.test/m', '/.//evil.test/m'])
      assert.throws(
        () => told(`http://127.0.0.1:1${basePath}${path}`),
        { message: /an endpoint at another place/ },
        path,
      );
    assert.throws(() => told(`${basePath}/.//evil.test/m`), { message: /an endpoint at another place/ });
  }
});
