import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../core/clock.ts';
import { createKey } from '../keys/create.ts';
import { echo, folder, gatewayFixture, testServer } from './client.fixtures.ts';
import { createClient, createServiceClientFromEnv, stackClients, type EnvironmentOptions } from './index.ts';

const hmacKey = '0123456789abcdef'.repeat(4);
const sharedKey = 'fedcba9876543210'.repeat(4);

async function sent(t: Parameters<typeof testServer>[0], options: EnvironmentOptions) {
  const server = await testServer(t, echo);
  const client = createServiceClientFromEnv({ baseUrl: server.url, secretsFolder: '/nowhere', ...options });
  t.after(() => client.close());
  await (await client.fetch('/a')).text();
  return server.seen[0]?.headers ?? {};
}

test('signs as SERVICE_ID with the key in the environment, in a .env file, or bare in a file', async (t) => {
  const place = await folder(t);
  const file = async (text: string) => {
    const path = join(place, `${Math.random()}`);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  };
  for (const env of [
    { SERVICE_ID: 'aidb', SERVICE_KEY: hmacKey },
    {
      SERVICE_ID: 'aidb',
      SERVICE_KEY_FILE: await file(`# the key\nSERVICE_ID=aidb\nexport SERVICE_KEY="${hmacKey}"\n`),
    },
    { SERVICE_ID: 'aidb', SERVICE_KEY_FILE: await file(`${hmacKey}\n`) },
  ]) {
    const headers = await sent(t, { env });
    assert.equal(headers['x-service-id'], 'aidb');
    assert.match(String(headers['x-service-signature']), /^[0-9a-f]{64}$/);
  }
});

test('finds the shared key of the called service, and a named file before the usual one', async (t) => {
  const place = await folder(t);
  await writeFile(join(place, 'npu_worker_api_key'), `${sharedKey}\n`, { mode: 0o600 });
  await writeFile(join(place, 'named'), hmacKey, { mode: 0o600 });
  const service = 'npu-worker';
  const usual = await sent(t, { service, env: {}, secretsFolder: place });
  assert.equal(usual.authorization, `Bearer ${sharedKey}`);
  const named = { NPU_WORKER_API_KEY_FILE: join(place, 'named') };
  assert.equal((await sent(t, { service, env: named, secretsFolder: place })).authorization, `Bearer ${hmacKey}`);
});

test('a key in the environment itself counts in dev mode only', async (t) => {
  const env = { EMBEDDINGS_API_KEY: sharedKey };
  const options = { service: 'embeddings', env, secretsFolder: '/nowhere' };
  const message = /EMBEDDINGS_API_KEY is set, and counts only with allowPlainEnvironment/;
  assert.throws(() => createServiceClientFromEnv(options), { code: 'key_missing', message });
  const headers = await sent(t, { ...options, allowPlainEnvironment: true });
  assert.equal(headers.authorization, `Bearer ${sharedKey}`);
});

test('with both at hand the shared key goes first, unless the other is preferred', async (t) => {
  const place = await folder(t);
  await writeFile(join(place, 'embeddings_api_key'), sharedKey, { mode: 0o600 });
  const options = { service: 'embeddings', env: { SERVICE_ID: 'aidb', SERVICE_KEY: hmacKey }, secretsFolder: place };
  assert.equal((await sent(t, options)).authorization, `Bearer ${sharedKey}`);
  assert.equal((await sent(t, { ...options, prefer: 'service-signature' }))['x-service-id'], 'aidb');
  await rm(join(place, 'embeddings_api_key'));
  assert.equal((await sent(t, options))['x-service-id'], 'aidb');
});

test('a missing key names every place that was looked at', async (t) => {
  const place = await folder(t);
  const missing = (options: EnvironmentOptions, words: RegExp) =>
    assert.throws(() => createServiceClientFromEnv(options), { code: 'key_missing', message: words });
  missing({ env: {} }, /SERVICE_ID/);
  missing({ env: { SERVICE_ID: 'a' } }, /SERVICE_KEY or SERVICE_KEY_FILE/);
  missing({ service: 'npu-worker', env: {}, secretsFolder: place }, new RegExp(`${place}/npu_worker_api_key`));
  missing({ service: 'npu-worker', env: {}, secretsFolder: place }, /NPU_WORKER_API_KEY_FILE/);
  missing({ service: 'a', env: { A_API_KEY_FILE: `${place}/gone` } }, new RegExp(`${place}/gone`));
  missing({ env: { SERVICE_ID: 'a', SERVICE_KEY_FILE: `${place}/gone` } }, new RegExp(`${place}/gone`));
  const both = { SERVICE_ID: 'a', SERVICE_KEY: hmacKey, SERVICE_KEY_FILE: '/x' };
  assert.throws(() => createServiceClientFromEnv({ env: both }), { code: 'key_unusable' });
});

test('calls services of the stack by their names alone', async (t) => {
  const { stack, url } = await gatewayFixture(t);
  const order = { service: 'aidb', kind: 'hs', expiresAt: null, now: systemClock() } as const;
  const { key } = await createKey(stack.store, stack.seal, order);
  const env = { SERVICE_ID: 'aidb', SERVICE_KEY: key };
  const place = await folder(t);
  const config = join(place, 'countersign.yaml');
  await writeFile(
    config,
    `listen: ${new URL(url).host}\nservices:\n  embeddings: { upstream: 'http://127.0.0.1:1' }\n`,
  );

  const clients = [
    stackClients({ gateway: url, env })('embeddings'),
    createClient('embeddings', { config, env }),
    createClient('embeddings', { env: { ...env, COUNTERSIGN_CONFIG: config } }),
    createClient('embeddings', { config, credential: { kind: 'service-signature', serviceId: 'aidb', key } }),
  ];
  for (const client of clients) {
    t.after(() => client.close());
    const response = await client.fetch('/embed');
    assert.equal(response.status, 200);
    assert.equal(((await response.json()) as { caller: string }).caller, 'service:aidb');
  }
  assert.throws(() => createClient('embedings', { config, env }), { code: 'no_such_service', message: /embeddings/ });
  assert.throws(() => createClient('embeddings', { config: join(place, 'gone'), env }), { code: 'bad_configuration' });
  await writeFile(config, `listen: ${new URL(url).host}\nmcpConfig: mcp.json\nservices: { embeddings: }\n`);
  assert.throws(() => createClient('files', { config, env }), { code: 'bad_configuration', message: /mcp\.json/ });
  await createClient('embeddings', { config, env }).close();
  await writeFile(join(place, 'mcp.json'), '{"mcpServers": {"files": {"command": "npx"}}}');
  await createClient('files', { config, env }).close();
  await mkdir(join(place, 'folder'));
  assert.throws(() => createClient('a', { config: join(place, 'folder'), env }), { code: 'bad_configuration' });
});
