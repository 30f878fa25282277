import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { keyRecord, tokenRecord } from '../store.fixtures.ts';
import { sqliteStore } from './store.ts';

const rounds = 6;
const writers = 2;

/** Writes without end and says what was acknowledged, in writes that do not outrun the acknowledgement. */
const writer = `
  import { writeSync } from 'node:fs';
  import { sqliteStore } from ${JSON.stringify(new URL('store.ts', import.meta.url).href)};
  const [, file, name, key, token] = process.argv;
  const store = sqliteStore({ file });
  await store.migrate();
  for (let number = 0; ; number += 1) {
    const id = name + '-' + number;
    const of = (record) => JSON.parse(record.replaceAll('NAME', id));
    await store.keys.insert(of(key));
    writeSync(1, 'key ' + id + '\\n');
    await store.tokens.insert(of(token));
    writeSync(1, 'token ' + id + '\\n');
    await store.modes.set({ scope: id, mode: 'report', setAt: number, setBy: 'test' });
    writeSync(1, 'mode ' + id + '\\n');
    if (number % 3 === 0) {
      await store.keys.revoke(id, number);
      writeSync(1, 'revoked ' + id + '\\n');
    }
  }`;

test('what was acknowledged is there after kill -9 at any moment, and the file is whole', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-kill-'));
  const file = join(folder, 'state.db');
  const acknowledged: string[] = [];
  try {
    for (let round = 0; round < rounds; round += 1) {
      const children = Array.from({ length: writers }, (_, number) => start(file, `r${round}w${number}`));
      acknowledged.push(...(await Promise.all(children.map(killedMidway))).flat());
      await verify(file, acknowledged);
    }
    assert.ok(acknowledged.length > rounds * writers);
  } finally {
    await rm(folder, { recursive: true });
  }
});

function start(file: string, name: string): ChildProcess {
  const key = JSON.stringify(keyRecord('NAME'));
  const token = JSON.stringify(tokenRecord(0, { tokenId: 'NAME', tokenHash: 'hash-of-NAME' }));
  const flags = ['--no-warnings', '--input-type=module', '--eval', writer];
  return spawn(process.execPath, [...flags, file, name, key, token], { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** Resolves to the whole lines that the child wrote before it was killed, after some hundreds of acknowledgements. */
async function killedMidway(child: ChildProcess): Promise<string[]> {
  const linesWanted = 1 + Math.floor(Math.random() * 800);
  let text = '';
  let lines = 0;
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    lines += chunk.split('\n').length - 1;
    // A moment later, so that the kill falls anywhere within a write.
    if (lines >= linesWanted && !child.killed) setTimeout(() => child.kill('SIGKILL'), Math.random() * 5);
  });
  await once(child, 'close');
  assert.equal(child.signalCode, 'SIGKILL', 'the writer ended by itself');
  return text.split('\n').slice(0, -1);
}

async function verify(file: string, acknowledged: readonly string[]): Promise<void> {
  const store = sqliteStore({ file });
  await store.migrate();
  const keys = new Map((await store.keys.list()).map((record) => [record.id, record]));
  const revocations = new Set(await store.keys.revocations());
  const modes = new Set((await store.modes.list()).map(({ scope }) => scope));
  const tokens = new Set((await store.tokens.listActive(0, 1_000_000)).map(({ tokenId }) => tokenId));
  for (const line of acknowledged) {
    const [what = '', id = ''] = line.split(' ');
    const there = {
      key: () => keys.has(id),
      token: () => tokens.has(id),
      mode: () => modes.has(id),
      revoked: () => keys.get(id)?.revokedAt !== null && revocations.has(keyRecord(id).digest),
    }[what];
    assert.ok(there?.(), `lost: ${line}`);
  }
  await store.close();
  const raw = new DatabaseSync(file);
  assert.deepEqual({ ...raw.prepare('PRAGMA integrity_check').get() }, { integrity_check: 'ok' });
  raw.close();
}
