import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { Request as ForeignRequest } from 'undici';
import { createClient, createServiceClient, createServiceClientFromEnv, type ServiceClientOptions } from './index.ts';

const key = '0123456789abcdef'.repeat(4);
const make = (options: unknown) => () => createServiceClient(options as ServiceClientOptions);
const says = (message: RegExp) => ({ name: 'TypeError', message });

test('an option that nobody would read is refused', async () => {
  const credential = { kind: 'api-key', key };
  assert.throws(make(undefined), says(/needs options: an object with credential, baseUrl/));
  assert.throws(make({ credential, baseURL: 'http://127.0.0.1' }), says(/no option baseURL; did you mean baseUrl\?/));
  assert.throws(make({ credential, timeout: 5000 }), says(/no option timeout; it has .*timeoutSeconds/));
  const env = { SERVICE_ID: 'a', SERVICE_KEY: key };
  const whole = { service: 'b', prefer: 'api-key', secretsFolder: '/nowhere', env } as const;
  assert.throws(() => createServiceClientFromEnv({ ...whole, timeout: 5 } as object), says(/no option timeout/));
  assert.throws(() => createServiceClientFromEnv({ ...whole, prefer: 'x' as 'api-key' }), says(/prefer must be/));
  await createServiceClientFromEnv(whole).close();
  assert.throws(() => createClient('b', { gateway: '127.0.0.1:8700', env }), says(/^gateway must be an absolute http/));
  await createClient('b', { gateway: 'http://127.0.0.1:8700', credential: { kind: 'api-key', key }, env }).close();
});

test('a credential that could prove nobody is refused', () => {
  assert.throws(make({}), says(/credential must be \{ kind/));
  assert.throws(make({ credential: { kind: 'apikey', key } }), says(/credential must be \{ kind/));
  assert.throws(make({ credential: { kind: 'api-key', key, header: 'X-API-Key' } }), says(/header must be/));
  // Names that are missing would be signed for as 'undefined'.
  assert.throws(make({ credential: { kind: 'http-signature', keyId: 'a', key } }), says(/keyid must be/));
  assert.throws(make({ credential: { kind: 'service-signature', key } }), says(/serviceId must be/));
});

test('a private key says which credential it is for', () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  const pem = String(privateKey.export({ format: 'pem', type: 'pkcs8' }));
  const fault = { code: 'key_unusable', message: /PEM form, which the credential of kind 'http-signature' alone/ };
  assert.throws(make({ credential: { kind: 'api-key', key: pem } }), fault);
  assert.throws(() => createServiceClientFromEnv({ env: { SERVICE_ID: 'a', SERVICE_KEY: pem } }), fault);
});

test('what is no address is not taken for a path, a Request of another fetch least of all', async () => {
  const client = make({ credential: { kind: 'api-key', key }, baseUrl: 'http://127.0.0.1:1' })();
  const foreign = new ForeignRequest('http://127.0.0.1:1/embed', { method: 'POST', body: 'hello' });
  for (const input of [undefined, null, 7, {}, foreign])
    await assert.rejects(client.fetch(input as string), says(/a path, a URL or a Request/));
  await client.close();
});

test('what no editor shows is told by its name', () => {
  const tells = (text: string, message: RegExp) =>
    assert.throws(make({ credential: { kind: 'api-key', key: text } }), { code: 'key_unusable', message });
  tells(`\uFEFF${key}`, /byte order mark/);
  tells(`${key}\n`, /ends with a newline/);
  tells(`${key}\r\n`, /ends with a newline/);
  tells(`${key} ${key}`, /white space/);
});
