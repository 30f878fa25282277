import assert from 'node:assert/strict';
import { test } from 'node:test';
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
