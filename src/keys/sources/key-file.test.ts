import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { keyFile } from './key-file.ts';

function place(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-key-file-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'key');
}

const anything = { variable: 'SERVICE_KEY', judge: (text: string) => (text.includes('bad') ? 'is bad' : null) };

function write(path: string, text: string, mode = 0o600): void {
  writeFileSync(path, text, { mode });
  chmodSync(path, mode);
}

test('reads the bare key without its newline, or the variable of a .env file', (t) => {
  const path = place(t);
  for (const [text, key] of [
    ['the-key\n', 'the-key'],
    ['the=key', 'the=key'],
    ['THEKEY==', 'THEKEY=='],
    ['OTHER=x\nexport SERVICE_KEY="the key"\n', 'the key'],
    ['SERVICE_KEY=the-key # in use\r\n', 'the-key'],
  ] as const) {
    write(path, text);
    assert.equal(keyFile(path, anything).key(), key);
  }
  write(path, 'SERVICE_KEY=a');
  assert.equal(keyFile(path, { ...anything, variable: null }).key(), 'SERVICE_KEY=a');
  // Signed with, it would be refused by every service, and none could say why.
  write(path, '# ours\nHYBRID_KEY=the-key\n');
  const other = keyFile(path, anything);
  assert.equal(other.key(), null);
  assert.match(other.fault?.words ?? '', /: has no SERVICE_KEY=$/);
});

test('a file that cannot be used takes no good key away, and counts again when it can', (t) => {
  const path = place(t);
  write(path, 'first');
  const file = keyFile(path, anything);
  assert.deepEqual([file.key(), file.generation], ['first', 1]);
  const spoil: (() => void)[] = [
    () => rmSync(path),
    () => write(path, ''),
    () => write(path, 'bad'),
    () => write(path, 'open', 0o644),
    () => write(path, 'SERVICE_KEY="unfinished'),
  ];
  for (const act of spoil) {
    act();
    file.reread();
    assert.deepEqual([file.key(), file.generation], ['first', 1]);
    assert.notEqual(file.fault, null);
    assert.doesNotMatch(file.fault?.words ?? '', /unfinished|open"/);
  }
  write(`${path}.new`, 'second');
  renameSync(`${path}.new`, path);
  file.reread();
  assert.deepEqual([file.key(), file.generation, file.fault], ['second', 2, null]);
  file.reread();
  assert.equal(file.generation, 2);
});

test('says what is missing by its absolute path', (t) => {
  const path = place(t);
  const file = keyFile(path, anything);
  assert.equal(file.key(), null);
  assert.equal(file.fault?.missing, true);
  assert.match(file.fault?.words ?? '', new RegExp(path));
});
