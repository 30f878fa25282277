/** What the commands and the server say is in force while the mode says report and a ramp enforces. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { cliHere } from '../../../../test/fixtures/cli-here.ts';
import { cleanEnvironment, startProgram, startUpstream } from '../../../../test/e2e/program.ts';

const services = `services:
  embeddings: { upstream: http://127.0.0.1:9, routes: [{ path: /embed }, { path: /open, access: public }] }
  search: { upstream: http://127.0.0.1:9 }
`;

/** A ramp, started and promoted so many times. */
async function place(t: TestContext, steps: string, promotions = 0) {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-in-force-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'countersign.yaml'), `store: sqlite:state.db\nmode: report\n${services}`);
  writeFileSync(join(folder, 'ramp.yaml'), `name: autumn\nsteps: [${steps}]\n`);
  const cli = async (...args: string[]) => {
    const { code, stdout, stderr } = await cliHere(args, { cwd: folder });
    return { code, stdout, said: stdout + stderr };
  };
  const done = async (...args: string[]): Promise<string> => {
    const { code, said } = await cli(...args);
    assert.equal(code, 0, `${args.join(' ')}: ${said}`);
    return said;
  };
  await done('ramp', 'start', join(folder, 'ramp.yaml'));
  for (let count = 0; count < promotions; count += 1) await done('ramp', 'promote');
  const rename = (): void =>
    writeFileSync(
      join(folder, 'countersign.yaml'),
      `store: sqlite:state.db\nmode: report\n${services.replace('  search:', '  find:')}`,
    );
  return { cli, done, rename };
}

test('what a mode that was set by hand overrules is not said to be enforced by the ramp, and every state tells how to go on', async (t) => {
  const { cli, done } = await place(t, "{ routes: ['*'], soak: 1h }");
  assert.doesNotMatch(await done('ramp', 'status'), /none of it is in force/);
  await done('mode', 'set', 'report', '--all');
  assert.match(
    await done('ramp', 'status'),
    /^running[^]*none of it is in force: .*; end them with: countersign mode reset --all$/m,
  );
  await done('mode', 'reset', '--all');
  assert.doesNotMatch(await done('ramp', 'status'), /none of it is in force/);
  await done('mode', 'set', 'enforce');
  assert.doesNotMatch(await done('ramp', 'status'), /none of it is in force/, 'all of it is enforced');
  await done('mode', 'reset', '--all');
  const onward = { pause: /Go on: countersign ramp resume/, rollback: /Take it up again: countersign ramp resume/ };
  for (const [order, words] of Object.entries(onward)) {
    assert.match(await done('ramp', order), words);
    assert.match((await cli('ramp', 'status')).said, words);
    await done('ramp', 'resume');
  }
  assert.match(await done('ramp', 'promote'), /It goes on enforcing\. See it from outside: countersign probe/);
});

test('a ramp that enforces everything is what status and mode get name, and nothing is said to pass', async (t) => {
  const { done } = await place(t, "{ routes: ['*'] }", 1);
  const status = await done('status');
  assert.match(status, /^modes +the stack report; by the ramp: embeddings enforce 100 %, search enforce 100 %$/m);
  assert.match(status, /^ramp +finished "autumn", 1 step$/m);
  assert.match(status, /^note +the stack is in mode report, and the ramp enforces all of it$/m);
  assert.doesNotMatch(status, /still passes/);
  assert.match(await done('mode', 'get'), /^embeddings +enforce 100 % +ramp +20\S+ by cli:/m);
  const lines = JSON.parse(await done('mode', 'get', 'embeddings', '--output', 'json')) as object[];
  assert.deepEqual(
    lines.map((line) => ({ ...line, set_at: '', set_by: '' })),
    [
      { scope: '', mode: 'report', source: 'file', set_by: '', set_at: '' },
      { scope: 'embeddings', mode: 'enforce', source: 'ramp', callers_percent: 100, set_by: '', set_at: '' },
    ],
  );
  const found = JSON.parse(await done('status', '--output', 'json')) as { ramp: object; notes: string[] };
  assert.deepEqual(found.ramp, {
    name: 'autumn',
    status: 'finished',
    step: 1,
    steps: 1,
    enforces: [
      { scope: 'embeddings', callers_percent: 100 },
      { scope: 'search', callers_percent: 100 },
    ],
  });
});

test('a mode that is taken back gives its place to the ramp, which is said', async (t) => {
  const { done } = await place(t, '{ routes: [search/*] }', 1);
  await done('mode', 'set', 'report', 'search');
  assert.match(
    await done('mode', 'reset', 'search'),
    /^The ramp enforces what the file reports: search enforce 100 %$/m,
  );
  assert.doesNotMatch(await done('mode', 'reset', 'embeddings'), /ramp/);
});

test('where a ramp enforces some of it, routes and parts of the callers are named', async (t) => {
  const { done } = await place(t, "{ routes: [embeddings/embed] }, { routes: ['*'], callers: 10% }");
  assert.match(await done('status'), /^modes +the stack report; by the ramp: embeddings\/embed enforce 100 %$/m);
  assert.match(await done('status'), /^ramp +running "autumn", step 1 of 2$/m);
  assert.match(await done('status'), /^note .*mode report: where the ramp does not enforce, .* still passes/m);
  await done('ramp', 'promote');
  const shown = await done('mode', 'get');
  assert.match(shown, /^embeddings\/embed +enforce 100 % +ramp/m);
  assert.match(shown, /^embeddings\/\* +enforce 10 % +ramp/m);
  assert.match(shown, /^search +enforce 10 % +ramp/m);
  assert.match(await done('mode', 'get', 'embeddings/embed'), /^embeddings\/embed +enforce 100 %/m);
  assert.doesNotMatch(await done('mode', 'get', 'embeddings'), /^search/m);
});

test('a ramp that stands still or was taken back is wanting, until modes are set by hand', async (t) => {
  const { cli, done } = await place(t, "{ routes: [embeddings/*] }, { routes: ['*'] }", 1);
  await done('ramp', 'pause', '--reason', 'holidays');
  let status = await cli('status');
  assert.equal(status.code, 1);
  assert.match(status.said, /^wanting +the ramp "autumn" is paused at step 2: paused by hand: holidays; see: /m);
  await done('ramp', 'rollback');
  status = await cli('status');
  assert.equal(status.code, 1);
  assert.match(status.said, /^ramp +stopped "autumn", step 2 of 2$/m);
  assert.match(status.said, /^wanting +the ramp "autumn" is stopped at step 2: rolled back by hand; see: /m);
  await done('ramp', 'rollback', 'all');
  status = await cli('status');
  assert.equal(status.code, 1);
  assert.match(status.said, /^wanting +the ramp "autumn" is withdrawn: rolled back by hand; see: /m);
  assert.match(status.said, /^modes +the stack report$/m);
  await done('mode', 'set', 'report', '--all');
  assert.doesNotMatch(await done('status'), /wanting/, 'that it is not to be enforced was said since');
});

test('a ramp that was taken back is not wanting where everything is enforced by hand', async (t) => {
  const { cli, done } = await place(t, "{ routes: ['*'] }");
  await done('ramp', 'rollback', 'all');
  await done('mode', 'set', 'enforce', '--all');
  const { said } = await cli('status');
  assert.match(said, /^ramp +withdrawn "autumn", 1 step$/m);
  assert.doesNotMatch(said, /wanting +the ramp/);
});

test('what was enforced under a name that it has no more is told, since under its new one it passes everybody', async (t) => {
  const ramped = await place(t, '{ routes: [search/*] }', 1);
  assert.doesNotMatch(await ramped.done('status'), /is called so/);
  ramped.rename();
  assert.match(
    await ramped.done('status'),
    /^note +the ramp enforces search\/\*, and nothing is called so any more: /m,
  );
  await ramped.done('mode', 'set', 'enforce', '--all');
  assert.doesNotMatch((await ramped.cli('status')).said, /is called so/, 'nobody is let pass');

  const byHand = await place(t, '{ routes: [embeddings/*] }', 1);
  await byHand.done('mode', 'set', 'enforce', 'search');
  byHand.rename();
  const { code, said } = await byHand.cli('status');
  assert.equal(code, 1);
  assert.match(said, /^wanting +search is enforced, and nothing .*NAME, then: countersign mode reset search$/m);
  await byHand.done('mode', 'reset', 'search');
  await byHand.done('status');
});

test('a server says at its start what the ramp enforces', async (t) => {
  const upstream = await startUpstream(t);
  const yaml = `mode: report\nservices:\n  embeddings: { upstream: ${upstream.url} }\n  search: { upstream: ${upstream.url} }\n`;
  const files = {
    'ramp.yaml': 'name: autumn\nsteps: [{ routes: [embeddings/*] }, { routes: [search/*], callers: 10% }]\n',
  };
  const program = await startProgram(t, { yaml, files });
  const stopped = once(program.process, 'exit');
  program.process.kill('SIGTERM');
  await stopped;
  const restarted = async (): Promise<string> => {
    const again = spawn(join(import.meta.dirname, '../../../../bin/countersign'), ['serve'], {
      cwd: program.folder,
      env: cleanEnvironment(),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    t.after(() => again.kill('SIGKILL'));
    let stderr = '';
    again.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    while (!stderr.includes('ready\n')) await pause(10);
    const ended = once(again, 'exit');
    again.kill('SIGTERM');
    await ended;
    return stderr;
  };
  assert.equal((await program.cli(['ramp', 'start', join(program.folder, 'ramp.yaml')])).code, 0);
  const some = await restarted();
  assert.match(some, /embeddings {2}enforce 100 %, by the ramp {2}to http/);
  assert.match(some, /search {6}report {3}to http/);
  assert.match(some, /does not enforce all of it yet: .* still passes\. See: countersign ramp status/);
  await program.cli(['ramp', 'promote']);
  assert.match(await restarted(), /search {6}enforce 10 %, by the ramp {2}to http/);
  const file = join(program.folder, 'countersign.yaml');
  writeFileSync(file, readFileSync(file, 'utf8').replace('embeddings:', 'vectors:'));
  assert.match(await restarted(), /^warning: the ramp enforces embeddings\/\*, and nothing is called so any more/m);
});
