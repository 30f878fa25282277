/** From a bundle that can be committed to a running gateway, with nothing in the clear on any disk. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { cliHere } from '../fixtures/cli-here.ts';
import { freePort } from '../fixtures/free-port.ts';
import { cleanEnvironment, startUpstream } from './program.ts';

const names = [
  'aidb_api_key',
  'embeddings_api_key',
  'hybrid_coordinator_api_key',
  'nixos_docs_api_key',
  'container_engine_api_key',
  'ralph_wiggum_api_key',
  'aider_wrapper_api_key',
  'dashboard_api_key',
  'stack_api_key',
];
const binary = join(import.meta.dirname, '../../bin/countersign');

test('a gateway takes the keys of its services from the bundle, in memory only, and they are gone with it', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-bundle-'));
  const memory = `/dev/shm/countersign-e2e-${process.pid}`;
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const upstream = await startUpstream(t);
  const port = await freePort();
  writeFileSync(
    join(folder, 'countersign.yaml'),
    `listen: 127.0.0.1:${port}
adminListen: 127.0.0.1:${await freePort()}
store: sqlite:state.db
mode: enforce
keys: [{ files: ${memory}/*_api_key }]
services:
${['embeddings', 'aidb'].map((service) => `  ${service}: { upstream: ${upstream.url} }\n`).join('')}`,
  );
  const age = { SOPS_AGE_KEY_FILE: join(folder, 'keys.txt') };
  const cli = async (args: readonly string[], stdin = ''): Promise<string> => {
    const env = { ...age, COUNTERSIGN_CONFIG: join(folder, 'countersign.yaml') };
    const { code, stdout, stderr } = await cliHere(args, { cwd: folder, env, stdin });
    assert.equal(code, 0, stderr);
    return stdout.trimEnd();
  };
  await cli(['secrets', 'init']);
  for (const name of names) await cli(['secrets', 'set', name, '--generate']);
  await cli(['secrets', 'set', 'auth_admin_token'], 'the-admin-token-of-the-tests');
  const embeddings = await cli(['secrets', 'get', 'embeddings_api_key']);

  const child = spawn(binary, ['secrets', 'run', '--dir', memory, '--', binary, 'serve'], {
    cwd: folder,
    env: { ...cleanEnvironment(), ...age },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const ended = once(child, 'exit');
  t.after(() => child.kill('SIGTERM'));
  const status = async (path: string, headers: Record<string, string>): Promise<number> => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers });
    await answer.arrayBuffer();
    return answer.status;
  };
  while ((await status('/health/ready', {}).catch(() => 0)) !== 200) {
    assert.equal(child.exitCode, null, said);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.deepEqual(readdirSync(memory).sort(), [...names, 'auth_admin_token'].sort());
  assert.equal(await status('/embeddings/x', { 'x-api-key': embeddings }), 200);
  assert.equal(await status('/aidb/x', { 'x-api-key': embeddings }), 401);
  assert.equal(await status('/embeddings/x', {}), 401);
  assert.equal(await status('/auth/tokens', { authorization: 'Bearer the-admin-token-of-the-tests' }), 200);

  // Neither the environment of a process of the run nor a file of the stack holds a secret.
  const [, server = ''] =
    /^\s*([0-9]+)/m.exec(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')) ?? [];
  for (const pid of [child.pid, server]) {
    const environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
    assert.ok(environment.includes('PATH='));
    assert.equal(environment.includes(embeddings) || environment.includes('AGE-SECRET'), false);
  }
  assert.equal(spawnSync('grep', ['-r', '-l', embeddings, folder]).status, 1);

  child.kill('SIGTERM');
  assert.deepEqual(await ended, [0, null]);
  assert.equal(existsSync(memory), false);
});
