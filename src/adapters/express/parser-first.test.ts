import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import express from 'express';
import { createServiceClient } from '../../client/index.ts';
import { protect } from './index.ts';

test('whoever parses bodies before the guard is told so, once, without a log', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-parser-'));
  const key = '0123456789abcdef'.repeat(4);
  await writeFile(join(folder, 'hybrid.env'), `SERVICE_KEY=${key}\n`, { mode: 0o600 });
  const warnings: string[] = [];
  const warn = (text: string) => void warnings.push(text);
  const guard = await protect({ service: 'a', keys: [{ envFiles: join(folder, '*.env') }], env: {}, warn });
  const app = express();
  app.use(express.json(), guard);
  app.use((_req, res) => void res.send('in'));
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = createServiceClient({
    credential: { kind: 'http-signature', keyid: 'hybrid', key },
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  });
  t.after(async () => {
    await Promise.all([client.close(), guard.close(), rm(folder, { recursive: true })]);
    server.closeAllConnections();
    server.close();
  });
  const headers = { 'content-type': 'application/json' };
  for (let times = 0; times < 2; times += 1)
    assert.equal((await client.fetch('/', { method: 'POST', body: '{}', headers })).status, 503);
  assert.equal((await client.fetch('/')).status, 200);
  assert.deepEqual(warnings, [
    'a request with a signed body cannot be judged, which is 503 where that is enforced: the body was read before it could be verified: let protect come before what reads bodies',
  ]);
});
