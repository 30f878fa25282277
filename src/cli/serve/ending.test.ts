/** What becomes of those who are connected when a server is told to end. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, createServer, get, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { startProgram, type Program } from '../../../test/e2e/program.ts';
import { until } from '../../../test/fixtures/until.ts';

async function served(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close().closeAllConnections());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** `drainSeconds`: ten minutes unless said, so that a machine that stands still for some seconds changes nothing. */
function program(t: TestContext, upstream: string, drainSeconds = 600): Promise<Program> {
  const yaml = `mode: report\nservices:\n  embeddings: { upstream: ${upstream} }\n`;
  return startProgram(t, { yaml, args: ['--drain-seconds', String(drainSeconds)] });
}

async function answered(url: string, agent?: Agent): Promise<IncomingMessage> {
  const [answer] = (await once(get(url, { agent }), 'response')) as [IncomingMessage];
  return answer;
}

async function textOf(answer: IncomingMessage): Promise<string> {
  let text = '';
  for await (const piece of answer) text += String(piece);
  return text;
}

function isClosed({ origin }: Program): Promise<boolean> {
  return fetch(`${origin}/health`).then(
    () => false,
    () => true,
  );
}

test('an answer that was under way says that its connection closes', { timeout: 60_000 }, async (t) => {
  const asked = Promise.withResolvers<ServerResponse>();
  const running = await program(t, await served(t, (_req, res) => asked.resolve(res)));
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  const answer = answered(`${running.origin}/embeddings/slow`, agent);
  const late = await asked.promise;
  const ended = once(running.process, 'exit');
  running.process.kill('SIGTERM');
  await until(() => isClosed(running));
  late.end('late');
  assert.equal((await answer).headers.connection, 'close');
  assert.equal(await textOf(await answer), 'late');
  assert.deepEqual(await ended, [0, null]);
});

test('a connection on which nothing ever came keeps no server from ending', { timeout: 60_000 }, async (t) => {
  const running = await program(t, 'http://127.0.0.1:1');
  const silent = connect(running.port, '127.0.0.1').on('error', () => undefined);
  await once(silent, 'connect');
  const [left, ended] = [once(silent, 'close'), once(running.process, 'exit')];
  running.process.kill('SIGTERM');
  assert.deepEqual(await ended, [0, null]);
  await left;
});

test('who has no answer when the time is over is told to come again', { timeout: 60_000 }, async (t) => {
  const asked = Promise.withResolvers<void>();
  const running = await program(t, await served(t, () => asked.resolve()), 1);
  const answer = answered(`${running.origin}/embeddings/never`);
  await asked.promise;
  const ended = once(running.process, 'exit');
  running.process.kill('SIGTERM');
  const { statusCode, headers } = await answer;
  assert.deepEqual([statusCode, headers['retry-after'], headers.connection], [503, '1', 'close']);
  assert.match(await textOf(await answer), /"reason":"unavailable"/);
  assert.deepEqual(await ended, [0, null]);
});

test('a health page that does not answer keeps no door open', { timeout: 60_000 }, async (t) => {
  const asked = Promise.withResolvers<ServerResponse>();
  const health = await served(t, (_req, res) => asked.resolve(res));
  const running = await program(t, 'http://127.0.0.1:1');
  const plan = `interval: 1s\nsoak: 1m\ngates: { health: "${health}" }\nsteps: [{ routes: ['embeddings/*'] }]\n`;
  writeFileSync(join(running.folder, 'ramp.yaml'), plan);
  assert.equal((await running.cli(['ramp', 'start', 'ramp.yaml'])).code, 0);
  const page = await asked.promise;
  const ended = once(running.process, 'exit');
  running.process.kill('SIGTERM');
  await until(() => isClosed(running));
  assert.equal(page.destroyed, false, 'nobody had given up on the page');
  page.end('well');
  assert.deepEqual(await ended, [0, null]);
});
