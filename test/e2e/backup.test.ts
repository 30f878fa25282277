/** The real program loses its store: callers go on with what they have, on another store and under another master key. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { newKeyPair } from '../../src/secrets/age.ts';
import { startRedis } from '../fixtures/databases.ts';
import { MissingProgram } from '../fixtures/programs.ts';
import { until } from '../fixtures/until.ts';
import { startProgram, startUpstream, type Program } from './program.ts';

async function json(program: Program, ...args: string[]) {
  const { code, stdout, stderr } = await program.cli([...args, '--output', 'json']);
  assert.equal(code, 0, stderr + stdout);
  return JSON.parse(stdout);
}

test('what was restored is accepted at once by a server that runs, and what was revoked is not', async (t) => {
  const redis = await startRedis(t).catch((error: unknown) => {
    if (!(error instanceof MissingProgram) || process.env['CI'] === 'true') throw error;
    t.skip(error.message);
    return null;
  });
  if (!redis) return;
  const upstream = await startUpstream(t);
  const yaml = `mode: report\nservices:\n  embeddings: { upstream: ${upstream.url} }\n`;
  const lost = await startProgram(t, { yaml, env: { COUNTERSIGN_MASTER_KEY: 'a'.repeat(64) } });
  const api = await json(lost, 'keys', 'create', 'web');
  const signing = await json(lost, 'keys', 'create', 'worker', '--kind', 'hs');
  const revoked = await json(lost, 'keys', 'create', 'old');
  const { token } = await json(lost, 'tokens', 'create');
  await json(lost, 'keys', 'revoke', revoked.id);
  await json(lost, 'mode', 'set', 'enforce');

  const statuses = async (origin: string): Promise<number[]> => {
    const seconds = String(Math.floor(Date.now() / 1000));
    const message = `worker:GET:/embeddings/embed:${seconds}`;
    const signed = {
      'x-service-id': 'worker',
      'x-service-timestamp': seconds,
      'x-service-signature': createHmac('sha256', signing.key).update(message).digest('hex'),
    };
    const credentials: Record<string, string>[] = [
      { 'x-api-key': api.key },
      signed,
      { authorization: `Bearer ${token}` },
      { 'x-api-key': revoked.key },
    ];
    return Promise.all(
      credentials.map(async (headers) => {
        const answer = await fetch(`${origin}/embeddings/embed`, { headers });
        await answer.arrayBuffer();
        return answer.status;
      }),
    );
  };

  const { identity, recipient } = await newKeyPair();
  const file = join(lost.folder, 'stack.age');
  await json(lost, 'backup', file, '--recipient', recipient);
  const identityFile = join(lost.folder, 'age.txt');
  writeFileSync(identityFile, identity, { mode: 0o600 });

  const found = await startProgram(t, { yaml, store: redis.url, env: { COUNTERSIGN_MASTER_KEY: 'b'.repeat(64) } });
  const restored = await json(found, 'restore', file, '--identity', identityFile);
  assert.equal(restored.verified, true);
  // The server hears of each change by itself, a moment later; the mode comes last.
  const goal = [200, 200, 200, 401];
  await until(async () => (await statuses(found.origin)).join() === goal.join(), 'everything restored is heard of');
  assert.deepEqual(await statuses(found.origin), goal);
});
