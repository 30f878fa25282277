import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonValue } from '../../core/record.ts';
import { sha256Hex } from '../../crypto/digest.ts';
import { sealWith } from '../../crypto/seal.ts';
import { memoryStore } from '../../stores/memory/store.ts';
import { stateAdapter } from './state.ts';

const now = 1_800_000_000;
const clock = () => now;

function place(masterKey = 'ab', { records } = memoryStore()) {
  const refusal = (words: string) => new Error(words);
  return {
    records,
    options: { records, clock, accessTokenSeconds: 300, seal: sealWith(masterKey.repeat(32)), refusal },
  };
}

test('a device’s code is found by either code, counts once, and its record names neither', async () => {
  const { records, options } = place();
  const codes = stateAdapter('DeviceCode', options);
  await codes.upsert('the-device', { jti: 'the-device', userCode: 'BCDFGHJK', clientId: 'c-1' }, 600);
  for (const found of [await codes.find('the-device'), await codes.findByUserCode('BCDFGHJK')])
    assert.deepEqual(found, { jti: 'the-device', userCode: 'BCDFGHJK', clientId: 'c-1' });
  await codes.consume('the-device');
  assert.equal((await codes.find('the-device'))?.['consumed'], now);
  await assert.rejects(codes.consume('the-device'), /used already/);
  for (const kind of await records.kinds())
    assert.doesNotMatch(JSON.stringify(await records.list(kind, now)), /the-device|BCDFGHJK/);
});

test('what lies in the store in the clear, or under another master key, is not there, and nothing fails over it', async () => {
  const { records, options } = place();
  const keep = (kind: string, id: string, value: JsonValue) =>
    records.put({ kind, id: sha256Hex(id), value, expiresAt: now + 600 }, null, now);
  await keep('oauth-device-code', 'old', { userCode: 'OLDOLDOL', clientId: 'c-1' });
  await keep('oauth-user-code', 'OLDOLDOL', 'old');
  await keep('oauth-interaction', 'old', { deviceCode: 'old' });
  await keep('oauth-session', 'old', { uid: 'u-old' });
  await keep('oauth-session-uid', 'u-old', 'old');
  const models = (at: typeof options) =>
    (['DeviceCode', 'Interaction', 'Session'] as const).map((model) => stateAdapter(model, at));
  const [codes, questions, sessions] = models(options);
  assert.equal(await codes?.find('old'), undefined);
  assert.equal(await codes?.findByUserCode('OLDOLDOL'), undefined);
  assert.equal(await questions?.find('old'), undefined);
  assert.equal(await sessions?.findByUid('u-old'), undefined);
  // Begun anew, it is there.
  await codes?.upsert('old', { userCode: 'OLDOLDOL' }, 600);
  assert.ok(await codes?.findByUserCode('OLDOLDOL'));
  const [others] = models(place('cd', { records } as ReturnType<typeof memoryStore>).options);
  assert.equal(await others?.find('old'), undefined);
});
