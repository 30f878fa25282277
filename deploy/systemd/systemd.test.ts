import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { provide, skipWithout, systemdAnalyze } from '../../test/fixtures/programs.ts';
import { temporaryFolder } from '../../test/fixtures/proxied-stack.ts';

const file = join(import.meta.dirname, 'countersign.service');
const skip = skipWithout(systemdAnalyze);

test('systemd finds no fault in the unit', { skip }, (t) => {
  // It looks for the program as well, which is not installed here.
  const unit = readFileSync(file, 'utf8').replaceAll('/usr/local/bin/countersign', process.execPath);
  const copy = join(temporaryFolder(t, 'systemd'), 'countersign.service');
  writeFileSync(copy, unit);
  const { status, stderr } = spawnSync(provide(systemdAnalyze), ['verify', '--man=no', copy], { encoding: 'utf8' });
  const about = stderr.split('\n').filter((line) => line.includes('countersign.service'));
  // A machine without users of ours and without systemd as its init says so, which is no fault of the unit.
  assert.deepEqual([status, about], [0, []], stderr);
});

test('systemd rates what the unit may still do as safe', { skip }, () => {
  const report = execFileSync(provide(systemdAnalyze), ['security', '--offline=yes', '--no-pager', file], {
    encoding: 'utf8',
  });
  const [, exposure] = /Overall exposure level for countersign\.service: ([0-9.]+)/.exec(report) ?? [];
  assert.ok(Number(exposure) <= 1.5, report);
});

test('a crash leaves no memory behind, which holds every secret', () => {
  assert.match(readFileSync(file, 'utf8'), /^LimitCORE=0$/m);
});
