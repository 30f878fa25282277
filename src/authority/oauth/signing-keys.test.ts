import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ownIssuer } from '../../keys/tokens/issued-tokens.ts';
import { keyring } from '../../keys/keyring/keyring.ts';
import { liveness } from '../../keys/liveness.ts';
import { tokens } from '../../keys/tokens/tokens.ts';
import { sealWith } from '../../crypto/seal.ts';
import { memoryStore } from '../../stores/memory/store.ts';
import { keptKeys, rotateSigningKey, signingKeys } from './signing-keys.ts';

const day = 86_400;

function keys() {
  let now = 1_800_000_000;
  const options = { records: memoryStore().records, seal: sealWith('ab'.repeat(32)), clock: () => now };
  return {
    options,
    advance: (seconds: number) => void (now += seconds),
    /** The key that signs, and the others. */
    async held(): Promise<readonly [string | undefined, readonly (string | undefined)[]]> {
      const [first, ...others] = (await signingKeys(options)).jwks.map(({ kid }) => kid);
      return [first, others];
    },
  };
}

test('the next key is there to be seen a day before it signs, and the last verifies for a period more', async () => {
  const { advance, held, options } = keys();
  const [first] = await held();
  assert.equal((await signingKeys(options)).dueAt, options.clock() + 29 * day);
  advance(29 * day);
  const [still, [next]] = await held();
  assert.equal(still, first);
  assert.equal((await signingKeys(options)).dueAt, options.clock() + day);
  advance(day);
  assert.deepEqual(await held(), [next, [first]]);
  advance(30 * day);
  const [third, others] = await held();
  assert.deepEqual(others, [next]);
  assert.notEqual(third, next);
});

test('of replicas that make the first or the next key at once, one makes it', async () => {
  const { advance, options } = keys();
  const all = async () => {
    const made = await Promise.all(Array.from({ length: 8 }, () => signingKeys(options)));
    return [...new Set(made.map(({ jwks, cookieSecret }) => JSON.stringify([jwks, cookieSecret])))];
  };
  assert.equal((await all()).length, 1);
  advance(29 * day);
  assert.equal((await all()).length, 1);
  assert.equal((await keptKeys(options)).length, 2);
});

test('a key that is replaced early verifies on, and its successor signs once it can have been seen', async () => {
  const { advance, held, options } = keys();
  const [first] = await held();
  const { kid, withdrawn } = await rotateSigningKey(options, false);
  assert.deepEqual(withdrawn, []);
  assert.deepEqual(await held(), [first, [kid]]);
  assert.equal((await signingKeys(options)).dueAt, options.clock() + 60);
  advance(60);
  assert.deepEqual(await held(), [kid, [first]]);
  // Its own successor is due by its own age.
  advance(29 * day);
  assert.equal((await held())[0], kid);
  assert.equal((await keptKeys(options)).length, 3);
});

test('an early key counts before one that was made ahead', async () => {
  const { advance, held, options } = keys();
  await held();
  advance(29 * day);
  await held();
  const { kid } = await rotateSigningKey(options, false);
  advance(60);
  assert.equal((await held())[0], kid);
  advance(day);
  assert.equal((await held())[0], kid);
});

test('withdrawn keys are gone at once, those that were made ahead included, and no id comes again', async () => {
  const { advance, held, options } = keys();
  await held();
  advance(29 * day);
  const [first, [ahead]] = await held();
  const { kid, withdrawn } = await rotateSigningKey(options, true);
  assert.deepEqual(withdrawn, [first, ahead]);
  assert.deepEqual(await held(), [kid, []]);
  const seen = new Set([first, ahead, kid]);
  for (let time = 0; time < 5; time += 1) seen.add((await rotateSigningKey(options, true)).kid);
  advance(200 * day);
  seen.add((await held())[0]);
  assert.equal(seen.size, 9);
});

test('two who replace it at once make two keys, and withdrawing leaves one that signs', async () => {
  const { held, options } = keys();
  await held();
  const made = await Promise.all([rotateSigningKey(options, true), rotateSigningKey(options, true)]);
  const [signs] = await held();
  assert.ok(made.some(({ kid }) => kid === signs));
  assert.equal(new Set(made.map(({ kid }) => kid)).size, 2);
});

test('streams that tokens hold open end with the keys that signed them, and go on while one of those verifies', async (t) => {
  let now = 1_800_000_000;
  const clock = (): number => now;
  const store = memoryStore();
  const options = { records: store.records, seal: sealWith('ab'.repeat(32)), clock };
  const onWarning = (): void => undefined;
  await signingKeys(options);
  const issued = await ownIssuer({ issuer: 'http://127.0.0.1', store, clock, onWarning });
  const ring = await keyring({ store, seal: options.seal, sources: [], clock, onWarning });
  const sessions = tokens({ store, clock });
  const certificates = { has: () => false, onChange: () => () => undefined };
  const watch = liveness({ keyring: ring, tokens: sessions, issued, clock, certificates });
  t.after(() => {
    for (const each of [watch, issued, ring, sessions]) each.close();
  });
  const scopes: readonly string[] = [];
  const token = { id: 'client:c', scheme: 'oauth', credentialId: 'j', scopes, expiresAt: now + 1e6, addresses: null };
  const opened = now;
  const ended = new Promise<void>((resolve) => void watch.track(token, resolve));
  const heard = (): Promise<void> => new Promise((resolve) => void issued.onTakenBack(resolve));
  let news = heard();
  await rotateSigningKey(options, false);
  await news;
  assert.equal(await watch.faultOf(token, opened), null);
  now += 10;
  news = heard();
  await rotateSigningKey(options, true);
  await Promise.all([news, ended]);
  assert.equal(await watch.faultOf(token, opened), 'revoked');
  now += 10;
  assert.equal(await watch.faultOf(token, now), null);
});
