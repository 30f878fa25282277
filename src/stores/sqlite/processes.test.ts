import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { sqliteStore } from './store.ts';

/** Says on stdout how much it was granted, once the others are ready too. */
const contender = `
  import { sqliteStore } from ${JSON.stringify(new URL('store.ts', import.meta.url).href)};
  const store = sqliteStore({ file: process.argv[1] });
  await store.ping();
  process.stderr.write('ready');
  process.stdin.once('data', async () => {
    let taken = 0;
    let granted = 0;
    for (let number = 0; number < 100; number += 1) {
      if ((await store.limits.take('shared', 17, 60, 1000)).allowed) taken += 1;
      if (await store.limits.once('value-' + number, 2000, 1000)) granted += 1;
    }
    await store.close();
    process.stdout.write(JSON.stringify({ taken, granted }));
    process.exit();
  });`;

test('several processes share a limit and one-time values exactly', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-processes-'));
  const file = join(folder, 'state.db');
  const store = sqliteStore({ file });
  await store.migrate();
  try {
    const children = Array.from({ length: 4 }, () =>
      spawn(process.execPath, ['--no-warnings', '--input-type=module', '--eval', contender, file]),
    );
    const said = children.map((child) => text(child.stdout));
    await Promise.all(children.map((child) => once(child.stderr, 'data')));
    for (const child of children) child.stdin.write('go');
    const results = (await Promise.all(said)).map((line) => JSON.parse(line) as { taken: number; granted: number });
    const sum = (of: 'taken' | 'granted') => results.reduce((total, result) => total + result[of], 0);
    assert.equal(sum('taken'), 17);
    assert.equal(sum('granted'), 100);
  } finally {
    await store.close();
    await rm(folder, { recursive: true });
  }
});
