import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfig } from '../load/load.ts';

test('a command that cannot be started is warned of when the configuration is read', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-programs-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const services = {
    a: { command: 'no-such-program-here' },
    b: { command: './plain.txt' },
    c: { command: 'mine' },
    d: { command: 'mine', env: { PATH: '/nonexistent' } },
    e: { upstream: 'http://127.0.0.1:9' },
    f: { command: 'mine -y server' },
    g: { command: './mine --stdio' },
  };
  const file = join(folder, 'countersign.yaml');
  writeFileSync(file, JSON.stringify({ services }), { mode: 0o600 });
  writeFileSync(join(folder, 'plain.txt'), '');
  writeFileSync(join(folder, 'mine'), '#!/bin/sh\n');
  chmodSync(join(folder, 'mine'), 0o755);
  assert.deepEqual(loadConfig(file, { PATH: `/nonexistent:${folder}` }).warnings, [
    'the command of "a" is not found in PATH: no-such-program-here; install it, or write its whole path',
    `the command of "b" is no program: ${join(folder, 'plain.txt')}`,
    'the command of "d" is not found in PATH: mine; install it, or write its whole path',
    'the command of "f" is not found in PATH: mine -y server; its arguments stand beside it: command: mine, args: [-y, server]',
    `the command of "g" is no program: ${join(folder, 'mine')} --stdio; its arguments stand beside it: command: ${join(folder, 'mine')}, args: [--stdio]`,
  ]);
});
