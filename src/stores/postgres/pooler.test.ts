import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Store } from '../../core/store.ts';
import { until } from '../../../test/fixtures/until.ts';
import { forThisFile, startPostgres } from '../../../test/fixtures/databases.ts';
import { storeFault } from './fault.ts';
import { postgresStore } from './store.ts';

const server = await forThisFile('Postgres behind a pooler', () => startPostgres());

if (server) {
  test('behind a pooler that answers LISTEN and passes no notice on, changes count as not heard until it does', async (t) => {
    const pooler = await poolerOfTransactions(t, server.port);
    const url = new URL(await server.database());
    url.port = String(pooler.port);
    const store = postgresStore({ url: url.href, patienceMillis: 500 });
    t.after(() => store.close());
    await store.migrate();
    const heard: string[] = [];
    const resync = new Promise((resolve) =>
      store.watch(({ topic }) => {
        heard.push(topic);
        if (topic === 'resync') resolve(null);
      }),
    );
    assert.deepEqual(heard, ['lost']);
    assert.match((await store.warnings()).join(), /^Postgres at .* passes no notices on.*pool sessions/);
    pooler.passNotices();
    await resync;
    assert.deepEqual(await store.warnings(), []);
  });

  test('a connection that was lost while it was tried says nothing about the next one', async (t) => {
    const pooler = await poolerOfTransactions(t, server.port);
    const url = new URL(await server.database());
    url.port = String(pooler.port);
    const patienceMillis = 1000;
    const store = postgresStore({ url: url.href, patienceMillis });
    t.after(() => store.close());
    const migrated = store.migrate();
    await pooler.tried;
    const tried = performance.now();
    pooler.passNotices();
    pooler.cutListener();
    await migrated;
    await until(() => isHeard(store));
    // Until the first attempt has waited in vain, which nobody is told.
    await sleep(tried + patienceMillis + 200 - performance.now());
    assert.deepEqual(await store.warnings(), []);
  });
}

function isHeard(store: Store): boolean {
  let lost = false;
  store.watch(({ topic }) => (lost = topic === 'lost'))();
  return !lost;
}

test('what only a pooler answers is told in words that lead to the pooler', () => {
  const words = (code: string) =>
    (storeFault(Object.assign(new Error(), { severity: 'FATAL', code }), 'db:6432/stack') as Error).message;
  assert.match(words('08P01'), /password.*ignore_startup_parameters = statement_timeout/);
  for (const code of ['42P05', '26000']) assert.match(words(code), /pool sessions/);
});

/**
 * To us a pooler in transaction mode is this: every statement is answered, and a notice reaches nobody, since the connection that
 * listens is lent to somebody else by then.
 */
async function poolerOfTransactions(
  t: TestContext,
  targetPort: number,
): Promise<{ readonly port: number; readonly tried: Promise<void>; passNotices(): void; cutListener(): void }> {
  let passes = false;
  let trial: () => void = () => {};
  const tried = new Promise<void>((resolve) => (trial = resolve));
  let listener: Socket | null = null;
  const sockets = new Set<Socket>();
  const pooler = createServer((near) => {
    const far = connect(targetPort, '127.0.0.1');
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.once('close', () => other.destroy());
    }
    near.pipe(far);
    near.on('data', (chunk: Buffer) => {
      if (chunk.includes('LISTEN')) listener = near;
      if (chunk.includes('countersign_tell_all')) far.once('data', trial);
    });
    let rest = Buffer.alloc(0);
    far.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      // A letter and a length, which counts itself (postgresql.org/docs/current/protocol-message-formats.html).
      while (rest.length >= 5 && rest.length > rest.readUInt32BE(1)) {
        const message = rest.subarray(0, 1 + rest.readUInt32BE(1));
        rest = rest.subarray(message.length);
        if (passes || message[0] !== notificationResponse) near.write(message);
      }
    });
  });
  pooler.listen(0, '127.0.0.1');
  await once(pooler, 'listening');
  t.after(() => {
    pooler.close();
    for (const socket of sockets) socket.destroy();
  });
  return {
    port: (pooler.address() as AddressInfo).port,
    tried,
    passNotices: () => void (passes = true),
    cutListener: () => void listener?.destroy(),
  };
}

const notificationResponse = 'A'.charCodeAt(0);
