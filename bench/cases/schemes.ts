/**
 * HTTP signatures beside the two libraries that verify them, what leaving the main thread does for the others, and the room
 * that nonces take. Every request of ours is signed anew with a nonce of its own, and its nonce is remembered as in a server.
 */
import { createHmac, createPublicKey, createSecretKey, timingSafeEqual, verify } from 'node:crypto';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { betterAuth, type BetterAuthPlugin } from 'better-auth';
import { memoryAdapter } from 'better-auth/adapters/memory';
import { verifySignature, type RequestDescriptor, type Verifier } from 'http-message-sig';
import { createVerifier, httpbis } from 'http-message-signatures';
import type { KeyRecord, SignatureKeyEntry } from '../../src/core/credential.ts';
import type { AuthRequest } from '../../src/core/request.ts';
import type { Scheme } from '../../src/core/scheme.ts';
import { sha256Hex } from '../../src/crypto/digest.ts';
import { ed25519Pair, ed25519PrivateKey, ed25519PublicKey } from '../../src/crypto/ed25519.ts';
import { hmacSha256 } from '../../src/crypto/hmac.ts';
import { randomSecret } from '../../src/crypto/random.ts';
import { sealWith } from '../../src/crypto/seal.ts';
import { createKey } from '../../src/keys/create.ts';
import { keyIndex } from '../../src/keys/key-index.ts';
import { keyring } from '../../src/keys/keyring.ts';
import { apiKey } from '../../src/schemes/api-key/index.ts';
import {
  httpSignature,
  nonces,
  signHttpRequest,
  type Nonces,
  type SigningKey,
} from '../../src/schemes/http-signature/index.ts';
import { memoryStore } from '../../src/stores/memory/store.ts';
import type { Bench, NamedCase } from '../measure.ts';

const now = 1_800_000_000;
const clock = () => now;
const authority = 'gateway.internal:8700';
const target = '/embeddings/v1/embed?model=small&batch=8';
const poolSize = 1024;
const covered = ['@method', '@authority', '@path', '@query'];

interface World {
  readonly keys: { signatureKeys(keyid: string): readonly SignatureKeyEntry[] };
  readonly requests: readonly AuthRequest[];
  readonly secret: string;
  close(): void;
}

/** A keyring of some size, and requests signed with one of its HMAC keys. */
async function world(): Promise<World> {
  const store = memoryStore();
  const seal = sealWith('ab'.repeat(32));
  const make = async () => createKey(store, seal, { service: 'aidb', kind: 'hs', expiresAt: null, now });
  const { record, key: secret } = await make();
  for (let index = 0; index < 24; index += 1)
    await createKey(store, seal, { service: `service-${index}`, kind: 'hs', expiresAt: null, now });
  const ring = await keyring({ store, seal, sources: [], clock, onWarning: () => undefined });
  const mac = hmacSha256(Buffer.from(secret));
  const key: SigningKey = { keyid: record.id, sign: (base) => mac.bytes(Buffer.from(base, 'latin1')) };
  return { keys: ring, requests: await signedRequests(key, poolSize), secret, close: () => ring.close() };
}

async function signedRequests(key: SigningKey, count: number): Promise<AuthRequest[]> {
  const requests: AuthRequest[] = [];
  for (let index = 0; index < count; index += 1) {
    const nonce = randomSecret(16).toString('base64url');
    const order = { method: 'GET', target, authority, scheme: 'http', body: null, created: now, nonce } as const;
    const { headers } = await signHttpRequest(order, key);
    requests.push(requestWith(headers));
  }
  return requests;
}

const none: readonly string[] = [];

function requestWith(headers: Readonly<Record<string, string>>): AuthRequest {
  const fields = new Map(Object.entries(headers).map(([name, value]) => [name, [value]]));
  return {
    method: 'GET',
    target,
    path: '/v1/embed',
    service: 'embeddings',
    authority,
    protocol: 'http',
    remoteAddress: '10.0.0.7',
    requestId: 'r',
    bodyPresence: 'none',
    fields: (name) => fields.get(name) ?? none,
    body: () => Promise.resolve(new Uint8Array()),
  };
}

/** Takes one request after the other; when all have been used, the nonces begin anew. */
function verifying(keys: World['keys'], requests: readonly AuthRequest[]): () => ReturnType<Scheme['authenticate']> {
  let seen: Nonces = freshNonces();
  let next = 0;
  const scheme = httpSignature({ keys, clock, once: (id, nonce) => seen.use(id, nonce, now) === 'fresh' });
  return () => {
    if (next === requests.length) [next, seen] = [0, freshNonces()];
    return scheme.authenticate(requests[next++] as AuthRequest);
  };
}

function freshNonces(): Nonces {
  return nonces({ lifeSeconds: () => 90, capacity: 1_000_000 });
}

const headerNames = ['signature-input', 'signature'];

/** `http-message-signatures`, with the key in the form that Node is quick with. */
function byMessageSignatures({ requests, secret }: World): () => Promise<boolean | null> {
  const key = {
    algs: ['hmac-sha256'],
    // Its types know no KeyObject, and a Buffer would cost it ten times as much.
    verify: createVerifier(createSecretKey(Buffer.from(secret)) as unknown as string, 'hmac-sha256'),
  };
  const config = {
    keyLookup: async () => key,
    requiredFields: covered,
    requiredParams: ['created', 'nonce', 'keyid', 'tag'],
    notAfter: now + 30,
  };
  const messages = requests.map(({ fields }) => ({
    method: 'GET',
    url: `http://${authority}${target}`,
    headers: Object.fromEntries(headerNames.map((name) => [name, fields(name)[0] ?? ''])),
  }));
  let next = 0;
  return () => httpbis.verifyMessage(config, messages[next++ % poolSize] as (typeof messages)[number]);
}

function byMessageSig({ requests, secret }: World): () => Promise<unknown> {
  const key = createSecretKey(Buffer.from(secret));
  const verifier: Verifier = {
    algorithm: 'hmac-sha256',
    verify: (data, signature) => timingSafeEqual(createHmac('sha256', key).update(data).digest(), signature),
  };
  const policy = {
    algorithms: ['hmac-sha256'],
    requiredComponents: covered,
    requiredParameters: ['created', 'nonce', 'keyid', 'tag'],
    maxAge: 60,
    clockSkew: 30,
    now,
  };
  const messages = requests.map(({ fields }): RequestDescriptor => ({
    kind: 'request',
    method: 'GET',
    targetUri: `http://${authority}${target}`,
    fields: headerNames.map((name) => ({ name, value: fields(name)[0] ?? '' })),
  }));
  let next = 0;
  return () =>
    verifySignature(messages[next++ % poolSize] as RequestDescriptor, { policy, resolveVerifier: () => verifier });
}

/** A bench of refusals would be fast and worthless. */
async function mustAccept(what: string, result: unknown): Promise<void> {
  const value = await result;
  const accepted = typeof value === 'object' && value !== null && 'allowed' in value ? value.allowed : Boolean(value);
  if (!accepted) throw new Error(`${what} refused the bench's own request: ${JSON.stringify(value)}`);
}

function against(peerName: string, peerOf: (world: World) => () => Promise<unknown>): NamedCase {
  const name = `http-signature hmac verify, ${peerName}`;
  return {
    name,
    async run(bench) {
      const made = await world();
      const ours = verifying(made.keys, made.requests);
      const peer = peerOf(made);
      await mustAccept('ours', ours());
      await mustAccept(peerName, peer());
      await bench.compare(name, { ours, peer, peerName, batchMillis: 20, runs: 41 });
      made.close();
    },
  };
}

/** How late a timer fires while signatures are verified as fast as they come. */
async function delayWhile(work: () => Promise<unknown>): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  for (const until = performance.now() + 500; performance.now() < until;) await work();
  delay.disable();
  return delay.percentile(99) / 1000;
}

/** A burst of signatures that arrive together, verified by the pool's threads or one after the other on the main thread. */
async function ed25519Delay(bench: Bench): Promise<void> {
  const { publicPem, privatePem } = await ed25519Pair();
  const base = Buffer.from(
    '"@method": GET\n"@authority": gateway.internal:8700\n"@path": /embeddings/v1/embed\n'.repeat(4),
  );
  const signature = await ed25519PrivateKey(privatePem).sign(base);
  const key = ed25519PublicKey(publicPem);
  const keyObject = createPublicKey(publicPem);
  const burst = Array.from({ length: 64 });
  const pause = () => new Promise((resolve) => setTimeout(resolve, 1));
  const offThread = () => Promise.all([pause(), ...burst.map(() => key.verify(base, signature))]);
  const onThread = async () => {
    for (const _ of burst) verify(null, base, keyObject, signature);
    await pause();
  };
  const [ours, peer]: [number[], number[]] = [[], []];
  const runs = 5;
  for (let run = 0; run < runs; run += 1) {
    ours.push(await delayWhile(offThread));
    peer.push(await delayWhile(onThread));
  }
  const middle = (all: number[]) => all.toSorted((a, b) => a - b)[runs >> 1] ?? Number.NaN;
  bench.report({
    case: 'ed25519 bursts of 64: event loop delay p99',
    unit: 'us',
    ours: middle(ours),
    peer: middle(peer),
    peer_name: 'verify on the main thread',
    runs,
  });
}

function nonceMemory(bench: Bench): void {
  const seen = freshNonces();
  for (let index = 0; index < 1_000_000; index += 1) seen.use('4fTq0ZkP1a', `nonce-${index}`, index < 500_000 ? 0 : 90);
  bench.report({
    case: 'memory of 1,000,000 live nonces',
    unit: 'MiB',
    ours: seen.bytes / 2 ** 20,
    peer: 40,
    peer_name: 'the bound',
    runs: 1,
  });
}

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
  index.putAll(records, []);
  const few = records.slice(0, 1000);
  let next = records.length;
  await bench.compare('one key change among 100,000', {
    ours: () => {
      const record = recordOf(next++);
      index.putRecord(record.id, record);
      index.putRecord(record.id, null);
    },
    peer: () => keyIndex(seal).putAll(few, []),
    peerName: 'building an index of 1,000',
    runs: 25,
  });
}

const cases: readonly NamedCase[] = [
  against('http-message-signatures', byMessageSignatures),
  against('http-message-sig', byMessageSig),
  { name: 'ed25519 event loop delay', run: ed25519Delay },
  { name: 'nonces memory', run: nonceMemory },
  { name: 'api-key verify', run: apiKeys },
  { name: 'one key change among 100,000', run: keyChange },
];

export default cases;
