import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { linkBehind, linkLine } from '../../../audit/chain/link.ts';
import { sha256Hex } from '../../../crypto/digest.ts';
import { fileSource } from './source.ts';

test('a link from before its characters were escaped has its own hash in an export too', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-source-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const act = { type: 'client.created', subject: 'a\u061cb', reason: String.raw`\u061c` } as const;
  const made = linkBehind('events', null, act, { id: 'cli:ana', via: 'cli', from: 'here' }, 1_800_000_000);
  const text = made.text.replace(String.raw`a\u061cb`, 'a\u061cb');
  assert.notEqual(text, made.text);
  const old = { ...made, text, hash: sha256Hex(text) };
  for (const row of [made, old]) {
    const line = linkLine(row);
    assert.doesNotMatch(line, /\u061c/);
    writeFileSync(join(folder, 'audit.jsonl'), `${line}\n`);
    const source = await fileSource(join(folder, 'audit.jsonl'));
    for await (const read of source.links('events')) assert.equal(sha256Hex(read.text), row.hash);
    // What was changed is not made right.
    writeFileSync(join(folder, 'audit.jsonl'), `${line.replace('ana', 'bob')}\n`);
    for await (const read of source.links('events')) assert.notEqual(sha256Hex(read.text), row.hash);
  }
});
