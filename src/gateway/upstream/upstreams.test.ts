import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StackConfig } from '../../compose/config.ts';
import { parseConfig } from '../../compose/load/load.ts';
import { keyOf, upstreams } from './upstreams.ts';

const configOf = (services: object): StackConfig =>
  parseConfig(JSON.stringify({ store: 'memory:', services }), { file: null, env: {} });
const keysOf = (services: object): string[] => configOf(services).services.map(keyOf);

test('paths of an upstream are those that the configuration has', (t) => {
  const known = upstreams();
  t.after(() => known.close());
  for (const [written, basePath, barePath] of [
    ['http://127.0.0.1:1', '', '/'],
    ['http://127.0.0.1:1/', '', '/'],
    ['http://127.0.0.1:1/mcp', '/mcp', '/mcp'],
    ['http://127.0.0.1:1/a/b/', '/a/b', '/a/b/'],
    ['http://127.0.0.1:1/a//', '/a', '/a/'],
  ] as const)
    for (const service of configOf({ one: { upstream: written } }).services) {
      const upstream = known.of(service);
      assert.deepEqual([upstream.basePath, upstream.barePath], [basePath, barePath], written);
    }
});

test('services share connections where what they connect to is the same, however else they differ', () => {
  const upstream = 'http://127.0.0.1:1';
  const [one, same, slower, elsewhere] = keysOf({
    one: { upstream },
    same: { upstream, mode: 'report', maxSignedBody: '1MiB' },
    slower: { upstream, timeouts: { response: '99s' } },
    elsewhere: { upstream: 'http://127.0.0.1:2' },
  });
  assert.equal(one, same);
  assert.equal(new Set([one, slower, elsewhere]).size, 3);
});

test('what a command is run with makes it another one, the size of its messages too', () => {
  const run = { command: '/bin/cat' };
  const [before] = keysOf({ files: run });
  assert.deepEqual(keysOf({ files: { ...run, mode: 'report' } }), [before]);
  for (const changed of [
    { maxSignedBody: '1MiB' },
    { args: ['-u'] },
    { env: { A: '1' } },
    { timeouts: { response: '99s' } },
  ])
    assert.notDeepEqual(keysOf({ files: { ...run, ...changed } }), [before], JSON.stringify(changed));
  // Callers of one service have nothing to do with the processes of another.
  assert.equal(new Set(keysOf({ files: run, others: run })).size, 2);
});
