/** What a server does, and what happens to it, is in the audit; and the audit holds when servers come and go. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { startProgram, startUpstream, type Program } from './program.ts';

interface Event {
  readonly type: string;
  readonly actor: string;
  readonly via: string;
  readonly from: string;
  readonly subject: string;
  readonly detail: Record<string, unknown>;
}

async function events(program: Program): Promise<Event[]> {
  const { stdout } = await program.cli(['audit', 'tail', '--events', '-n', '100', '--output', 'json']);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Event);
}

test('a server’s start, reload, broken glass and end are events, its decisions are sealed, and nothing secret is told', async (t) => {
  const upstream = await startUpstream(t);
  const yaml = `services:\n  embeddings:\n    upstream: ${upstream.url}\n`;
  const program = await startProgram(t, { yaml, env: { SERVICE_AUTH_OVERRIDE_TOKEN: 'the-glass-0123456789' } });
  const ask = async (headers: Record<string, string> = {}) => {
    const answer = await fetch(`${program.origin}/embeddings/x`, { headers });
    await answer.arrayBuffer();
    return answer.status;
  };
  assert.equal(await ask(), 401);
  for (let use = 0; use < 3; use += 1) assert.equal(await ask({ 'x-override-token': 'the-glass-0123456789' }), 200);
  const file = join(program.folder, 'countersign.yaml');
  writeFileSync(file, `${readFileSync(file, 'utf8')}  search:\n    upstream: http://127.0.0.1:9\nname: renamed\n`);
  for (let tries = 0; tries < 400 && !program.stderr().includes('read anew'); tries += 1)
    await new Promise((resolve) => setTimeout(resolve, 25));

  program.process.kill('SIGTERM');
  await once(program.process, 'exit');
  const found = await events(program);
  assert.deepEqual(
    found.map(({ type }) => type),
    [
      'server.started',
      'config.loaded',
      'glass.broken',
      'config.reloaded',
      'decisions.sealed',
      'server.stopped',
      'glass.broken',
    ],
  );
  const uses = found.flatMap(({ type, detail }) => (type === 'glass.broken' ? [detail['uses_since_last']] : []));
  assert.deepEqual(uses, [1, 2]);
  const [started, loaded, glass, reloaded, sealed] = found as [Event, Event, Event, Event, Event];
  assert.match(started.actor, /^server:./);
  assert.equal(started.detail['pid'], program.process.pid);
  assert.match(String(loaded.detail['digest']), /^[0-9a-f]{64}$/);
  assert.deepEqual([glass.actor, glass.subject, glass.from], ['operator:break-glass', 'embeddings', '127.0.0.1']);
  assert.notEqual(reloaded.detail['digest'], loaded.detail['digest']);
  assert.deepEqual([reloaded.detail['services_added'], reloaded.detail['changed']], [['search'], ['name']]);
  assert.equal(sealed.detail['last'], 4);
  assert.ok(!JSON.stringify(found).includes('the-glass'));
  const verified = await program.cli(['audit', 'verify', '--output', 'json']);
  assert.equal(verified.code, 0, verified.stdout);
  assert.deepEqual(JSON.parse(verified.stdout).decisions, { verified: 4, removed: 0, unsealed: 0 });
});
