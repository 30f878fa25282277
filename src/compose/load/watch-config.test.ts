import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { watchConfig } from './watch-config.ts';

test('tells of a new content, also when the file is replaced or was gone, and not of an equal one', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-watch-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'countersign.yaml');
  writeFileSync(file, 'one');
  let heard = 0;
  let told: (() => void) | null = null;
  const next = () => new Promise<void>((resolve) => void (told = resolve));
  const stop = watchConfig(
    file,
    () => {
      heard += 1;
      told?.();
    },
    20,
  );
  t.after(stop);

  let waiting = next();
  writeFileSync(file, 'two');
  await waiting;
  waiting = next();
  writeFileSync(`${file}.tmp`, 'three');
  renameSync(`${file}.tmp`, file);
  await waiting;
  waiting = next();
  rmSync(file);
  writeFileSync(file, 'three');
  writeFileSync(join(folder, 'other'), 'x');
  writeFileSync(file, 'four');
  await waiting;
  assert.equal(heard, 3);
});
