/** The collection's module by itself, as Ansible runs it on a host: arguments on standard input, an answer as JSON. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { ansible, skipWithout } from '../fixtures/programs.ts';

const skip = skipWithout(ansible);
const source = join(import.meta.dirname, '../../deploy/ansible/plugins/modules/env_file.py');

interface Answer {
  readonly failed?: boolean;
  readonly msg?: string;
  readonly changed?: boolean;
  readonly files?: readonly { readonly path: string; readonly change: string }[];
  readonly fingerprints?: Readonly<Record<string, string>>;
}

function module(options: Readonly<Record<string, unknown>>): Answer {
  const { stdout, stderr } = spawnSync('/usr/bin/python3', [source], {
    input: JSON.stringify({ ANSIBLE_MODULE_ARGS: options }),
    encoding: 'utf8',
  });
  assert.notEqual(stdout, '', stderr);
  return JSON.parse(stdout);
}

function place(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-env-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'aidb.env');
  const deliver = (key: unknown, run: string, more = {}): Answer =>
    module({
      path,
      variables: { SERVICE_ID: 'aidb' },
      secrets: { SERVICE_KEY: key },
      previous: join(folder, 'aidb.previous.env'),
      backup: { folder: join(folder, 'backup'), run },
      ...more,
    });
  const restore = (run?: string): Answer =>
    module({ state: 'restored', backup: { folder: join(folder, 'backup'), run } });
  return { folder, path, deliver, restore };
}

test('keeps the other lines of the file, and is done when it is as wanted', { skip }, (t) => {
  const { path, deliver } = place(t);
  writeFileSync(path, '# ours\nexport SERVICE_KEY="old"\nOTHER=1\nSERVICE_KEY=old2\n', { mode: 0o644 });
  assert.deepEqual(
    deliver('new', '1').files?.map(({ change }) => change),
    ['created', 'replaced'],
  );
  assert.equal(readFileSync(path, 'utf8'), '# ours\nSERVICE_KEY=new\nOTHER=1\nSERVICE_ID=aidb\n');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(deliver('new', '2').changed, false);
});

test('the former key stays beside the new one, and a third is refused until that is settled', { skip }, (t) => {
  const { folder, path, deliver } = place(t);
  deliver('first', '1');
  deliver('second', '2');
  assert.equal(readFileSync(join(folder, 'aidb.previous.env'), 'utf8'), 'SERVICE_ID=aidb\nSERVICE_KEY=first\n');
  assert.match(deliver('third', '3').msg ?? '', /still holds an earlier key/);
  assert.equal(readFileSync(path, 'utf8'), 'SERVICE_ID=aidb\nSERVICE_KEY=second\n');
});

test('restores bytes and mode, removes what was not there, and does so once', { skip }, (t) => {
  const { folder, path, deliver, restore } = place(t);
  const bytes = 'SERVICE_KEY=first   \r\n\n# no newline at the end';
  writeFileSync(path, bytes, { mode: 0o640 });
  deliver('second', '1');
  assert.equal(restore().changed, true);
  assert.equal(readFileSync(path, 'utf8'), bytes);
  assert.equal(statSync(path).mode & 0o777, 0o640);
  assert.deepEqual(readdirSync(folder).toSorted(), ['aidb.env', 'backup']);
  assert.equal(restore().changed, false);
});

test('a run that is not there restores nothing, and a run keeps what there was when it began', { skip }, (t) => {
  const { path, deliver, restore } = place(t);
  deliver('first', '1');
  deliver('second', '2', { previous: null });
  deliver('third', '2', { previous: null });
  assert.equal(restore('9').changed, false);
  restore('2');
  assert.match(readFileSync(path, 'utf8'), /SERVICE_KEY=first\n/);
});

test('refuses what would give a key away or take another for it, and shows none', { skip }, (t) => {
  const { folder, path, deliver } = place(t);
  const refusals: [Answer, RegExp][] = [
    [deliver('', '1'), /SERVICE_KEY is empty/],
    [deliver(1234, '1'), /SERVICE_KEY is no text: put it in quotes/],
    [deliver('secret$(reboot)', '1'), /SERVICE_KEY has a character/],
    [deliver('secret\n', '1'), /SERVICE_KEY has a character/],
    [deliver('secret', '../1'), /backup.run/],
    [deliver('secret', '1', { owner: 'nobody-of-that-name' }), /no user nobody-of-that-name/],
  ];
  symlinkSync('/etc/hostname', path);
  refusals.push([deliver('secret', '1'), /cannot be opened/]);
  rmSync(path);
  chmodSync(folder, 0o777);
  refusals.push([deliver('secret', '1'), /others can write/]);
  for (const [answer, words] of refusals) {
    assert.equal(answer.failed, true);
    assert.match(answer.msg ?? '', words);
    assert.ok(!(answer.msg ?? '').includes('secret'));
  }
  assert.ok(!readdirSync(folder).includes('aidb.env'));
});

test("nothing is put back from a folder that is not root's alone, and no way back is kept in one", { skip }, (t) => {
  const { folder, path, deliver, restore } = place(t);
  deliver('first', '1');
  const backup = join(folder, 'backup');
  const spoilt: (() => void)[] = [() => chmodSync(backup, 0o777), () => chmodSync(join(backup, '1'), 0o770)];
  // Only root can give a folder away.
  if (process.geteuid?.() === 0) spoilt.push(() => chownSync(backup, 65534, 65534));
  for (const spoil of spoilt) {
    spoil();
    for (const answer of [restore(), deliver('second', '1', { previous: null })]) {
      assert.match(answer.msg ?? '', /is not root's alone|others can write in/);
      assert.match(readFileSync(path, 'utf8'), /SERVICE_KEY=first\n/);
    }
    chmodSync(backup, 0o700);
    chmodSync(join(backup, '1'), 0o700);
  }
});

test('in check mode it says the same and does nothing', { skip }, (t) => {
  const { folder, deliver } = place(t);
  assert.deepEqual(
    deliver('first', '1', { _ansible_check_mode: true }).files?.map(({ change }) => change),
    ['created'],
  );
  assert.deepEqual(readdirSync(folder), []);
});
