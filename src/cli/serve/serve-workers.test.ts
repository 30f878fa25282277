/** Several processes behind the same doors. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { runCli, startUpstream, type Program } from '../../../test/e2e/program.ts';
import { startServer } from '../../../test/fixtures/cli-here.ts';
import { until } from '../../../test/fixtures/until.ts';

const key = 'f'.repeat(64);

function yaml(upstream: string): string {
  return `mode: enforce
services:
  embeddings:
    upstream: ${upstream}
    routes:
      - { path: /limited, rateLimit: { limit: 5, per: 1h } }
`;
}

/** Status, or what broke the connection. */
function ask(program: Program, path: string, agent: Agent): Promise<number | string> {
  return new Promise((resolve) => {
    const asked = request(
      { host: '127.0.0.1', port: program.port, path: `/embeddings${path}`, agent, headers: { 'x-api-key': key } },
      (answer) => answer.resume().on('end', () => resolve(answer.statusCode ?? 0)),
    );
    asked.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message)).end();
  });
}

/** Every worker's sample of a metric, by its name. */
async function byWorker(program: Program, metric: string): Promise<Map<string, number>> {
  const text = await (await fetch(`${program.origin}/metrics`)).text();
  const found = text.matchAll(new RegExp(`^${metric}\\{.*worker="(\\d+)".*\\} (\\S+)$`, 'gm'));
  return new Map([...found].map(([, worker = '', value]) => [worker, Number(value)]));
}

test('workers share one state, and each of them is counted', async (t) => {
  const upstream = await startUpstream(t);
  const program = await startServer(t, { yaml: yaml(upstream.url), args: ['--workers', '2'] });
  await until(() => program.stderr().includes('ready, 2 workers'));
  assert.equal(program.stderr().match(/neither a key nor a session token is known/g)?.length, 1, 'it is said once');
  assert.equal((await program.cli(['keys', 'import', 'embeddings', '--kind', 'sk'], key)).code, 0);
  const agent = new Agent({ keepAlive: false });
  await until(async () => (await ask(program, '/x', agent)) === 200 && (await ask(program, '/x', agent)) === 200);
  const answers = await Promise.all(Array.from({ length: 60 }, () => ask(program, '/limited', agent)));
  assert.equal(answers.filter((status) => status === 200).length, 5);
  assert.equal(answers.filter((status) => status === 429).length, 55);

  const counted = await byWorker(program, 'countersign_decision_duration_seconds_count');
  assert.deepEqual([...counted.keys()].toSorted(), ['1', '2']);
  for (const count of counted.values()) assert.ok(count > 0);
  // Lines come whole, whoever wrote them.
  await until(() => program.stdout().split('\n').length > 60);
  for (const line of program.stdout().trimEnd().split('\n'))
    assert.equal((JSON.parse(line) as { event: string }).event, 'auth.decision');
});

test('a reload replaces the workers one by one, and no request is lost; a broken file changes nothing', async (t) => {
  const upstream = await startUpstream(t);
  const program = await startServer(t, { yaml: yaml(upstream.url), args: ['--workers', '2'] });
  await until(() => program.stderr().includes('ready, 2 workers'));
  await program.cli(['keys', 'import', 'embeddings', '--kind', 'sk'], key);
  const keeping = new Agent({ keepAlive: true, maxSockets: 4 });
  const closing = new Agent({ keepAlive: false, maxSockets: 4 });
  await until(async () => (await ask(program, '/x', closing)) === 200 && (await ask(program, '/x', closing)) === 200);
  const pids = await byWorker(program, 'process_start_time_seconds');

  const answers = new Map<number | string, number>();
  const enough = new AbortController();
  const load = async (agent: Agent): Promise<void> => {
    while (!enough.signal.aborted) {
      const answer = await ask(program, '/x', agent);
      answers.set(answer, (answers.get(answer) ?? 0) + 1);
      await pause(5);
    }
  };
  const loads = [keeping, keeping, keeping, closing, closing].map(load);
  const file = join(program.folder, 'countersign.yaml');
  writeFileSync(file, `${readFileSync(file, 'utf8')}      - { path: /open, access: public }\n`);
  await until(() => program.stderr().includes('read anew and is in force'));
  enough.abort();
  await Promise.all(loads);
  keeping.destroy();
  assert.deepEqual([...answers.keys()], [200]);
  for (const [worker, started] of await byWorker(program, 'process_start_time_seconds'))
    assert.ok(started > (pids.get(worker) ?? Infinity));
  assert.equal((await fetch(`${program.origin}/embeddings/open`)).status, 200);

  const good = readFileSync(file, 'utf8');
  writeFileSync(file, `${good}  tool: { command: /bin/cat }\n`);
  await until(() => program.stderr().includes('MCP servers that are run here (tool) need one process'));
  writeFileSync(file, 'services: broken');
  await until(() => program.stderr().split('the last good one stays in force').length === 3);
  const [, pid = ''] = /(\d+)/.exec(workersOf(program)[0] ?? '') ?? [];
  process.kill(Number(pid), 'SIGKILL');
  await until(() => /worker \d ended unasked \(SIGKILL\); a new one is started/.test(program.stderr()));
  await until(async () => (await byWorker(program, 'process_start_time_seconds').catch(() => new Map())).size === 2);
  assert.equal((await fetch(`${program.origin}/embeddings/open`)).status, 200, 'the last good one, not the file');
});

test('several processes do not start on a store that each would have for itself, nor any number of them', async (t) => {
  const upstream = await startUpstream(t);
  const program = await startServer(t, { yaml: yaml(upstream.url) });
  const config = join(program.folder, 'memory.yaml');
  writeFileSync(config, `store: memory\n${yaml(upstream.url)}`);
  const refused = await runCli(['serve', '--workers', '2', '--config', config], { cwd: program.folder });
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /each worker would have for itself/);
  const many = await runCli(['serve', '--workers', 'many', '--config', config], { cwd: program.folder });
  assert.equal(many.code, 2);
  assert.match(many.stderr, /--workers is a number from 1 to 256/);
  writeFileSync(config, `store: redis://127.0.0.1:1\n${yaml(upstream.url)}`);
  const away = await runCli(['serve', '--workers', '2', '--config', config], { cwd: program.folder });
  assert.equal(away.code, 3, away.stderr);
  const taken = await runCli(['serve', '--workers', '2'], { cwd: program.folder });
  assert.equal(taken.code, 1);
  assert.match(taken.stderr, /the port is in use by another process/);
});

function workersOf(program: Program): string[] {
  const pid = program.process.pid ?? 0;
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
}
