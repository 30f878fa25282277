import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryStore } from '../stores/memory/store.ts';
import { isOfProbeRun, probeRun } from './probe-run.ts';

test('whoever has the secret of a run is an operator until the run ends', async () => {
  const { records } = memoryStore();
  let now = 1000;
  const run = await probeRun(records, () => now, 60);
  const other = await probeRun(records, () => now, 600);
  const cases: readonly [of: string, lines: readonly string[], is: boolean][] = [
    ['the secret', [run.secret], true],
    ['of another run', [other.secret], true],
    ['none', [], false],
    ['twice', [run.secret, run.secret], false],
    ['another', ['A'.repeat(43)], false],
    ['cut short', [run.secret.slice(1)], false],
    ['longer', [`${run.secret}A`], false],
    ['no name', [''], false],
  ];
  for (const [of, lines, is] of cases) assert.equal(await isOfProbeRun(records, now, lines), is, of);
  for (const { id, value } of await records.list('probe-run', now))
    assert.ok(!JSON.stringify([id, value]).includes(run.secret), 'the store has no secret');

  await run.close();
  await run.close();
  assert.equal(await isOfProbeRun(records, now, [run.secret]), false, 'it has ended');
  now += 600;
  assert.equal(await isOfProbeRun(records, now, [other.secret]), false, 'it ends by itself');
});

test('while the store is away nobody is believed to be one', async () => {
  const { records } = memoryStore();
  const { secret } = await probeRun(records, () => 1000, 60);
  assert.equal(await isOfProbeRun({ get: () => Promise.reject(new Error('away')) }, 1000, [secret]), false);
});
