/** The real program on SQLite when its disk is full: a file system of two megabytes. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
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
  while ((await ask({ 'x-api-key': key })) !== 200) await new Promise((resolve) => setTimeout(resolve, 10));
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

  rmSync(join(disk, 'filler'));
  for (const token of acknowledged)
    while ((await ask(bearer(token))) !== 200) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal((await program.cli(['tokens', 'create'])).code, 0);
  assert.equal((await fetch(`${program.origin}/health/ready`)).status, 200);
});

function fill(file: string): void {
  for (const size of [65_536, 4096, 512])
    try {
      for (;;) writeFileSync(file, Buffer.alloc(size), { flag: 'a' });
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
    }
}
