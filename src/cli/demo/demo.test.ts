/** The demonstration is the first thing that anybody sees, so it is run as they run it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { cleanEnvironment, runCli } from '../../../test/e2e/program.ts';

const binary = join(import.meta.dirname, '../../../bin/countersign');

function ownTemp(t: TestContext): { folder: string; env: Record<string, string> } {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-demo-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return { folder, env: { ...cleanEnvironment(), TMPDIR: folder } };
}

test('every line is as expected, and nothing is left behind', async (t) => {
  const { folder, env } = ownTemp(t);
  // Settings of the user's own shell do not change what is shown.
  const { code, stdout, stderr } = await runCli(['demo', '--output', 'json'], {
    cwd: folder,
    env: { ...env, AUTH_ENABLED: 'true', COUNTERSIGN_CONFIG: '/nonexistent', SERVICE_AUTH_ENFORCEMENT_MODE: 'false' },
  });
  const { ok, lines } = JSON.parse(stdout || '{}') as { ok?: boolean; lines?: { ok: boolean }[] };
  const wrong = lines?.filter((line) => !line.ok);
  assert.deepEqual(wrong, [], stderr);
  assert.equal(ok, true);
  assert.equal(code, 0);
  assert.ok((lines?.length ?? 0) > 40);
  assert.deepEqual(readdirSync(folder), []);
});

test('Ctrl-C ends it and everything that it started', async (t) => {
  const { folder, env } = ownTemp(t);
  const demo = spawn(binary, ['demo', '--keep'], { cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => demo.kill('SIGKILL'));
  let stdout = '';
  demo.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  while (!stdout.includes('1  Watch')) await once(demo.stdout, 'data');
  const gateway = /http:\/\/127\.0\.0\.1:\d+/.exec(stdout)?.[0] ?? '';
  const [stage = ''] = readdirSync(folder);
  assert.match(readFileSync(join(folder, stage, 'countersign.yaml'), 'utf8'), /upstream: http:\/\/127\.0\.0\.1:/);
  assert.equal((await fetch(`${gateway}/health`)).status, 200);
  const ended = once(demo, 'exit');
  // Twice, as npm does it.
  demo.kill('SIGINT');
  demo.kill('SIGINT');
  assert.deepEqual(await ended, [130, null]);
  assert.equal(existsSync(join(folder, stage)), false);
  await assert.rejects(fetch(`${gateway}/health`));
  assert.equal(stdout.includes('✗'), false);
});
