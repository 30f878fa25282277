/**
 * HTTP signatures beside the two libraries that verify them, what leaving the main thread does for the others, and the room
 * that nonces take. Every request of ours is signed anew with a nonce of its own, and its nonce is remembered as in a server.
 */
import { createHmac, createPublicKey, createSecretKey, timingSafeEqual, verify } from 'node:crypto';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { verifySignature, type RequestDescriptor, type Verifier } from 'http-message-sig';
import { createVerifier, httpbis } from 'http-message-signatures';
import type { SignatureKeyEntry } from '../../src/core/credential.ts';
import type { AuthRequest } from '../../src/core/request.ts';
import type { Scheme } from '../../src/core/scheme.ts';
import { ed25519Pair, ed25519PrivateKey, ed25519PublicKey } from '../../src/crypto/ed25519.ts';
import { hmacSha256 } from '../../src/crypto/hmac.ts';
import { randomSecret } from '../../src/crypto/random.ts';
import { sealWith } from '../../src/crypto/seal.ts';
import { createKey } from '../../src/keys/create.ts';
import { keyring } from '../../src/keys/keyring/keyring.ts';
import {
  httpSignature,
  nonces,
  signHttpRequest,
  type Nonces,
  type SigningKey,
} from '../../src/schemes/http-signature/index.ts';
import { memoryStore } from '../../src/stores/memory/store.ts';
import type { Bench, NamedCase } from '../measure.ts';
import { authority, mustAccept, requestWith, target } from '../request.ts';

const now = 1_800_000_000;
const clock = () => now;
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

const cases: readonly NamedCase[] = [
  against('http-message-signatures', byMessageSignatures),
  against('http-message-sig', byMessageSig),
  { name: 'ed25519 event loop delay', run: ed25519Delay },
  { name: 'nonces memory', run: nonceMemory },
];

export default cases;
