import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';

for (const version of ['20.20.2', '22.17.1'])
  test(`a Node that is too old is told so before anything is read that it cannot read: ${version}`, () => {
    const older = `data:text/javascript,Object.defineProperty(process.versions,"node",{value:"${version}"});Object.defineProperty(process,"version",{value:"v${version}"})`;
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', older, join(import.meta.dirname, 'start.ts'), '--version'],
      { encoding: 'utf8' },
    );
    assert.equal(
      stderr,
      `countersign: needs Node 22.18 or newer, and the node on the PATH is v${version}; install a newer one from https://nodejs.org.\n`,
    );
    assert.deepEqual([status, stdout], [1, '']);
  });
