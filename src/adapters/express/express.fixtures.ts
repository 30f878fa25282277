/** An application of Express on a port, and a service that signs its calls to it. */
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Express } from 'express';
import { createServiceClient, type ServiceClient } from '../../client/index.ts';

const key = '0123456789abcdef'.repeat(4);

/** Where the guards find the key of the caller `hybrid`. */
export async function callersKey(t: TestContext): Promise<{ readonly envFiles: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-express-'));
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'hybrid.env'), `SERVICE_KEY=${key}\n`, { mode: 0o600 });
  return { envFiles: join(folder, '*.env') };
}

export async function callerOf(t: TestContext, app: Express): Promise<ServiceClient> {
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = createServiceClient({
    credential: { kind: 'http-signature', keyid: 'hybrid', key },
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  });
  t.after(async () => {
    await client.close();
    server.closeAllConnections();
    server.close();
  });
  return client;
}
