/** The real program when a disk is full, that of SQLite or that of its log: a file system of two megabytes. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../fixtures/until.ts';
import { startProgram, startUpstream } from './program.ts';

const admin = 'an-admin-token-of-the-tests-0123456789';

/** Null where this user may not mount. */
function tinyDisk(): string | null {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m,mode=700', 'tmpfs', folder], { stdio: 'ignore' });
    return folder;
  } catch {
    rmSync(folder, { recursive: true });
    return null;
  }
}

test('on a full disk what is known goes on, nothing is acknowledged that is not kept, and room mends it', async (t) => {
  const disk = process.getuid?.() === 0 ? tinyDisk() : null;
  if (disk === null) {
    t.skip('this user may not mount a small file system');
    return;
  }
  const upstream = await startUpstream(t);
  const program = await startProgram(t, {
    yaml: `mode: enforce\nservices:\n  embeddings: { upstream: ${upstream.url}, rateLimit: { limit: 100000, per: 1h } }\n`,
    store: `sqlite:${join(disk, 'state.db')}`,
    env: { AUTH_ADMIN_TOKEN: admin },
  });
  t.after(() => {
    execFileSync('umount', ['--lazy', disk]);
    rmSync(disk, { recursive: true });
  });
  const mint = async (): Promise<{ status: number; token: string }> => {
    const answer = await fetch(`${program.origin}/auth/token`, {
      method: 'POST',
      headers: { authorization: `Bearer ${admin}`, 'content-type': 'application/json' },
      body: JSON.stringify({ metadata: { filler: 'x'.repeat(3000) } }),
    });
    const body = (await answer.json()) as { data?: { token: string } };
    return { status: answer.status, token: body.data?.token ?? '' };
  };
  const ask = async (headers: Record<string, string>): Promise<number> => {
    const answer = await fetch(`${program.origin}/embeddings/x`, { headers });
    await answer.arrayBuffer();
    return answer.status;
  };
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

  const made = await program.cli(['keys', 'create', 'embeddings', '--output', 'json']);
  const { key } = JSON.parse(made.stdout) as { key: string };
  await until(async () => (await ask({ 'x-api-key': key })) === 200, 'the key is heard of');
  const before = await mint();
  assert.equal(before.status, 201);

  fill(join(disk, 'filler'));
  let full = 0;
  // What SQLite has room for in its own file is still acknowledged, and then has to be kept.
  const acknowledged = [before.token];
  for (let attempt = 0; attempt < 200 && full === 0; attempt += 1) {
    const { code, stdout } = await program.cli(['tokens', 'create', '--output', 'json']);
    if (code === 0) acknowledged.push((JSON.parse(stdout) as { token: string }).token);
    else full = code ?? -1;
  }
  assert.equal(full, 3);
  assert.equal(await ask({ 'x-api-key': 'f'.repeat(64) }), 401, 'nobody unknown gets in');
  const asked = await Promise.all(acknowledged.map((token) => ask(bearer(token))));
  for (const status of asked) assert.ok(status === 200 || status === 503, String(status));

  const ready = (): Promise<string> => fetch(`${program.origin}/health/ready`).then((answer) => answer.text());
  await until(async () => {
    await ask({ 'x-api-key': key });
    return (await ready()).includes('the sqlite store takes no writes');
  });

  rmSync(join(disk, 'filler'));
  for (const token of acknowledged)
    await until(async () => (await ask(bearer(token))) === 200, 'what was acknowledged is accepted');
  assert.equal((await program.cli(['tokens', 'create'])).code, 0);
  await until(async () => (await ready()).includes('UP'));
});

for (const args of [[], ['--workers', '2']])
  test(`a log on a full disk ends no server, and goes on when there is room: serve ${args.join(' ')}`, async (t) => {
    const disk = process.getuid?.() === 0 ? tinyDisk() : null;
    if (disk === null) {
      t.skip('this user may not mount a small file system');
      return;
    }
    const log = join(disk, 'decisions.log');
    const upstream = await startUpstream(t);
    const yaml = `mode: report\nservices:\n  embeddings: { upstream: ${upstream.url} }\n`;
    const program = await startProgram(t, { yaml, log, args });
    t.after(() => {
      execFileSync('umount', ['--lazy', disk]);
      rmSync(disk, { recursive: true });
    });
    const ask = async (): Promise<number> => (await fetch(`${program.origin}/embeddings/${'x'.repeat(900)}`)).status;
    fill(join(disk, 'filler'));
    for (let round = 0; round < 8; round += 1) {
      const asked = await Promise.all(Array.from({ length: 40 }, ask));
      assert.deepEqual(new Set(asked), new Set([200]));
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    rmSync(join(disk, 'filler'));
    for (;;) {
      assert.equal(await ask(), 200);
      const lines = readFileSync(log, 'utf8').split('\n');
      const told = lines.findLastIndex((line) =>
        line.startsWith('{"level":"warn","event":"audit.lines_dropped","count":'),
      );
      if (told >= 0 && lines[told + 1]?.includes('"event":"auth.decision"')) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });

test('a result that cannot be written is said to be lost, and an old key then stays as it was', async (t) => {
  const upstream = await startUpstream(t);
  const program = await startProgram(t, { yaml: `services:\n  embeddings: { upstream: ${upstream.url} }\n` });
  const made = JSON.parse((await program.cli(['keys', 'create', 'embeddings', '--output', 'json'])).stdout);
  const bin = join(import.meta.dirname, '../../bin/countersign');
  const intoFullDisk = (command: string) =>
    spawnSync('/bin/sh', ['-c', `${bin} ${command} --config ${program.folder}/countersign.yaml > /dev/full`], {
      encoding: 'utf8',
    });
  const lost = intoFullDisk('keys list');
  assert.deepEqual(
    [lost.status, lost.stderr],
    [
      3,
      'countersign: standard output cannot be written, and the result is lost: ENOSPC: no space left on device, write\n',
    ],
  );
  const rotated = intoFullDisk(`keys rotate ${made.id}`);
  assert.equal(rotated.status, 1);
  assert.match(rotated.stderr, /the new key .* reached nobody, and the old one stays as it was/);
  assert.match(rotated.stderr, /ENOSPC/);
  const listed = JSON.parse((await program.cli(['keys', 'list', '--output', 'json'])).stdout);
  assert.equal(listed.find(({ id }: { id: string }) => id === made.id).expires_at, null);
});

function fill(file: string): void {
  for (const size of [65_536, 4096, 512])
    try {
      for (;;) writeFileSync(file, Buffer.alloc(size), { flag: 'a' });
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
    }
}
