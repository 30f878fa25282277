import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { keepBefore } from './replace-file.ts';

test('what is written over several times within a second is kept each time', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-kept-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'ramp.yaml');
  const texts = ['first', 'second', 'third', 'fourth'];
  const kept = texts.map((text) => {
    writeFileSync(file, text);
    return keepBefore('ramp-plan', file);
  });
  assert.deepEqual(
    kept.map((path) => readFileSync(path, 'utf8')),
    texts,
  );
});
