/** The real program on each store that several machines can share. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MissingProgram } from '../fixtures/programs.ts';
import {
  databasePassword,
  startPostgres,
  startRedis,
  type DatabaseServer,
  type Ending,
} from '../fixtures/databases.ts';
import { until } from '../fixtures/until.ts';
import { startProgram, startUpstream } from './program.ts';

const servers: readonly (readonly [string, (t: Ending) => Promise<DatabaseServer>])[] = [
  ['postgres', startPostgres],
  ['redis', startRedis],
];

for (const [kind, start] of servers) {
  test(`on ${kind} a key works as soon as it is made, and is dead as soon as it is revoked, on every server`, async (t) => {
    const database = await start(t).catch((error: unknown) => {
      if (!(error instanceof MissingProgram) || process.env['CI'] === 'true') throw error;
      t.skip(error.message);
      return null;
    });
    if (!database) return;
    const upstream = await startUpstream(t);
    const options = {
      yaml: `mode: enforce\nservices:\n  embeddings: { upstream: ${upstream.url} }\n`,
      store: database.url,
      env: { COUNTERSIGN_MASTER_KEY: '0'.repeat(64) },
    };
    const first = await startProgram(t, options);
    const second = await startProgram(t, options);
    const ask = async (origin: string, key: string): Promise<number> => {
      const answer = await fetch(`${origin}/embeddings/embed`, { headers: { 'x-api-key': key } });
      await answer.arrayBuffer();
      return answer.status;
    };
    /** The change is committed when the command ends; the other processes hear of it a moment later. */
    const becomes = (origin: string, key: string, status: number): Promise<void> =>
      until(async () => (await ask(origin, key)) === status, `${origin} answers ${status}`);

    const created = await first.cli(['keys', 'create', 'web', '--output', 'json']);
    assert.equal(created.code, 0, created.stderr);
    const { id, key } = JSON.parse(created.stdout) as { id: string; key: string };
    for (const { origin } of [first, second]) await becomes(origin, key, 200);

    const revoked = await second.cli(['keys', 'revoke', id]);
    assert.equal(revoked.code, 0, revoked.stderr);
    for (const { origin } of [first, second]) await becomes(origin, key, 401);

    await database.kill();
    assert.equal(await ask(first.origin, key), 401, 'what is known stays known while the store is away');
    const without = await first.cli(['keys', 'list']);
    assert.equal(without.code, 3, without.stderr);
    for (const text of [without.stdout, without.stderr, first.stdout(), first.stderr()])
      assert.ok(!text.includes(databasePassword));
  });
}
