import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { version } from './version.ts';

test('our version is that of our package.json', () => {
  assert.match(version, /^\d+\.\d+\.\d+/);
});

test('in the bundle of a service there is no version, and no version of somebody else', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'bundled-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const bundled = async (name: string): Promise<unknown> => {
    const place = join(folder, name, 'out');
    mkdirSync(place, { recursive: true });
    copyFileSync(new URL('version.ts', import.meta.url), join(place, 'bundle.mts'));
    return ((await import(pathToFileURL(join(place, 'bundle.mts')).href)) as { version: unknown }).version;
  };
  assert.equal(await bundled('alone'), 'unknown');
  writeFileSync(join(folder, 'package.json'), '{"name":"their-service","version":"9.0.0"}');
  assert.equal(await bundled('theirs'), 'unknown');
});
