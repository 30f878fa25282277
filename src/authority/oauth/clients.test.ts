import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RecordStore } from '../../core/record.ts';
import { sealWith } from '../../crypto/seal.ts';
import { isTakenBack, takeBack } from '../../keys/tokens/issued-tokens.ts';
import { memoryStore } from '../../stores/memory/store.ts';
import { keepClient, listClients, revokeClient } from './clients.ts';
import { stateAdapter } from './state.ts';
import * as fc from '../../../test/fixtures/properties.ts';

const day = 86_400;
const address = 'https://client.example.org/me.json';

class Refused extends Error {}

function place(records: RecordStore = memoryStore().records) {
  let now = 1_800_000_000;
  const options = {
    records,
    clock: () => now,
    accessTokenSeconds: 300,
    seal: sealWith('ab'.repeat(32)),
    refusal: (words: string) => new Refused(words),
  };
  return { options, advance: (seconds: number) => void (now += seconds) };
}

const grantOf = (clientId: string) => ({ clientId, accountId: 'anna', iat: 1, kind: 'Grant' });

test('whoever is granted something while it is ended is left with nothing, whatever comes first', async () => {
  await fc.assert(
    fc.asyncProperty(fc.infiniteStream(fc.nat({ max: 5 })), async (pauses) => {
      const { records } = memoryStore();
      const paused = (): Promise<void> =>
        new Promise((resolve) => {
          let left = pauses.next().value ?? 0;
          const step = (): void => void ((left -= 1) < 0 ? resolve() : setImmediate(step));
          step();
        });
      // Every step of both may come before or after any of the other's.
      const slow = Object.fromEntries(
        Object.entries(records).map(([name, verb]) => [
          name,
          async (...args: readonly unknown[]) => {
            await paused();
            return (verb as (...given: readonly unknown[]) => unknown)(...args);
          },
        ]),
      ) as unknown as RecordStore;
      const { options } = place(slow);
      const grants = stateAdapter('Grant', options);
      await grants.upsert('old', grantOf(address), 3600);
      await Promise.all([
        revokeClient(address, options),
        grants.upsert('new', grantOf(address), 3600).catch((error: unknown) => assert.ok(error instanceof Refused)),
        // One that is widened in the same moment does not come back either.
        grants.upsert('old', grantOf(address), 3600).catch((error: unknown) => assert.ok(error instanceof Refused)),
      ]);
      assert.deepEqual(await records.list('oauth-grant', options.clock()), []);
      assert.ok(await isTakenBack({ clientId: address }, options));
    }),
    { numRuns: 60 },
  );
});

test('a client whose id is an address may be let in again after a minute', async () => {
  const { options, advance } = place();
  const grants = stateAdapter('Grant', options);
  await grants.upsert('one', grantOf(address), 3600);
  assert.equal(await revokeClient(address, options), 1);
  await assert.rejects(grants.upsert('two', grantOf(address), 3600), Refused);
  advance(61);
  await grants.upsert('three', grantOf(address), 3600);
  assert.ok(await grants.find('three'));
});

test('however many take back the same at once, the last moment stays', async () => {
  const { options, advance } = place();
  const of = { clientId: 'c-1' };
  const doing = Promise.all(Array.from({ length: 10 }, () => takeBack(of, options)));
  advance(30);
  await Promise.all([doing, ...Array.from({ length: 10 }, () => takeBack(of, options))]);
  advance(59);
  assert.ok(await isTakenBack(of, options));
  advance(2);
  assert.equal(await isTakenBack(of, options), false);
});

test('a client that registered itself is forgotten a day later unused, and when it was not used for long', async () => {
  const { options, advance } = place();
  const clients = stateAdapter('Client', options);
  const known = async () => (await listClients(options)).map(({ clientId }) => clientId);
  for (const id of ['r-one', 'r-two', 'c-made']) await clients.upsert(id, { client_id: id });
  advance(day - 60);
  for (const id of ['r-one', 'c-made']) await keepClient(id, 90 * day, options);
  advance(60);
  assert.deepEqual((await known()).toSorted(), ['c-made', 'r-one']);
  // Registering the same again takes nothing away from one that is in use.
  await clients.upsert('r-one', { client_id: 'r-one' });
  advance(80 * day);
  await keepClient('r-one', 90 * day, options);
  advance(80 * day);
  assert.deepEqual((await known()).toSorted(), ['c-made', 'r-one']);
  advance(10 * day);
  assert.deepEqual(await known(), ['c-made']);
});

test('a use that is written down does not bring back a client that was ended', async () => {
  const { records } = memoryStore();
  const { options } = place(records);
  await stateAdapter('Client', options).upsert('r-one', { client_id: 'r-one' });
  const late: RecordStore = {
    ...records,
    get: async (...args) => {
      const found = await records.get(...args);
      await revokeClient('r-one', options);
      return found;
    },
  };
  await keepClient('r-one', 90 * day, { ...options, records: late });
  assert.deepEqual(await listClients(options), []);
});

test('a proof’s id is used once, at whichever replica and at the same moment', async () => {
  const { options } = place();
  const seen = stateAdapter('ReplayDetection', options);
  const used = await Promise.allSettled(Array.from({ length: 5 }, () => seen.upsert('jti', { iss: 'c' }, 60)));
  assert.equal(used.filter(({ status }) => status === 'fulfilled').length, 1);
});
