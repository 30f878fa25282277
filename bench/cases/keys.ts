/** API keys: verified beside the plug-in that a TypeScript service would otherwise reach for, and one changed among many. */
import { betterAuth, type BetterAuthPlugin } from 'better-auth';
import { memoryAdapter } from 'better-auth/adapters/memory';
import type { KeyRecord } from '../../src/core/credential.ts';
import { sha256Hex } from '../../src/crypto/digest.ts';
import { randomSecret } from '../../src/crypto/random.ts';
import { sealWith } from '../../src/crypto/seal.ts';
import { createKey } from '../../src/keys/create.ts';
import { keyIndex } from '../../src/keys/keyring/key-index.ts';
import { keyring } from '../../src/keys/keyring/keyring.ts';
import { apiKey } from '../../src/schemes/api-key/index.ts';
import { memoryStore } from '../../src/stores/memory/store.ts';
import type { Bench, NamedCase } from '../measure.ts';
import { mustAccept, requestWith } from '../request.ts';

const now = 1_800_000_000;
const clock = () => now;

/**
 * Our API key scheme beside better-auth's plug-in, both in memory. Its package is asked for by name, so that the other cases
 * run where it is not installed.
 */
async function apiKeys(bench: Bench): Promise<void> {
  const peer = await betterAuthKey().catch((error: unknown) => {
    bench.say(`left out, since better-auth's API keys are not installed: ${String(error)}`);
    return null;
  });
  if (peer === null) return;
  const store = memoryStore();
  const seal = sealWith('ab'.repeat(32));
  const { key } = await createKey(store, seal, { service: 'aidb', kind: 'sk', expiresAt: null, now });
  const ring = await keyring({ store, seal, sources: [], clock, onWarning: () => undefined });
  const scheme = apiKey({ keyring: ring, clock });
  const request = requestWith({ 'x-api-key': key });
  await mustAccept('ours', scheme.authenticate(request));
  await mustAccept('better-auth', ((await peer()) as { valid?: boolean }).valid);
  const ours = () => scheme.authenticate(request);
  await bench.compare('api-key verify', { ours, peer, peerName: 'better-auth, API key plug-in in memory', runs: 25 });
  ring.close();
}

interface ApiKeyCalls {
  signUpEmail(call: { body: { email: string; password: string; name: string } }): Promise<{ user: { id: string } }>;
  createApiKey(call: { body: { name: string; userId: string } }): Promise<{ key: string }>;
  verifyApiKey(call: { body: { key: string } }): Promise<unknown>;
}

async function betterAuthKey(): Promise<() => Promise<unknown>> {
  const plugin: string = '@better-auth/api-key';
  const { apiKey: keys } = (await import(plugin)) as { apiKey(options: unknown): BetterAuthPlugin };
  const { api } = betterAuth({
    secret: randomSecret(32).toString('hex'),
    baseURL: 'http://127.0.0.1',
    database: memoryAdapter({ user: [], session: [], account: [], verification: [], apikey: [] }),
    emailAndPassword: { enabled: true },
    plugins: [keys({ rateLimit: { enabled: false } })],
    logger: { disabled: true },
    telemetry: { enabled: false },
  }) as unknown as { api: ApiKeyCalls };
  const { user } = await api.signUpEmail({ body: { email: 'a@example.org', password: 'password-1234', name: 'a' } });
  const { key } = await api.createApiKey({ body: { name: 'bench', userId: user.id } });
  return () => api.verifyApiKey({ body: { key } });
}

/** One key made known among a hundred thousand, and its service asked for; beside building the index of a hundredth of them. */
async function keyChange(bench: Bench): Promise<void> {
  const seal = sealWith('ab'.repeat(32));
  const recordOf = (number: number): KeyRecord => ({
    id: `key-${number}`,
    service: `device-${number % 5000}`,
    kind: 'sk',
    digest: sha256Hex(`secret-${number}`),
    material: null,
    lastFour: 'abcd',
    imported: false,
    scopes: [],
    allowedIps: [],
    createdAt: now + number,
    expiresAt: null,
    revokedAt: null,
    replaces: null,
    pending: false,
  });
  const records = Array.from({ length: 100_000 }, (_, number) => recordOf(number));
  const index = keyIndex(seal);
  for (const record of records) index.putRecord(record.id, record);
  const few = records.slice(0, 1000);
  let next = records.length;
  await bench.compare('one key change among 100,000', {
    ours: () => {
      const record = recordOf(next++);
      index.putRecord(record.id, record);
      index.putRecord(record.id, null);
    },
    peer: () => {
      const fresh = keyIndex(seal);
      for (const record of few) fresh.putRecord(record.id, record);
    },
    peerName: 'building an index of 1,000',
    runs: 25,
  });
}

const cases: readonly NamedCase[] = [
  { name: 'api-key verify', run: apiKeys },
  { name: 'one key change among 100,000', run: keyChange },
];

export default cases;
