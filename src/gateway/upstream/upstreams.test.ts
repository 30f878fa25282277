import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../../compose/load.ts';
import { keyOf } from './upstreams.ts';

const keysOf = (services: object): string[] =>
  parseConfig(JSON.stringify({ store: 'memory:', services }), { file: null, env: {} }).services.map(keyOf);

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
