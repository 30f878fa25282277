import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/fixtures/properties.ts';
import { sealWith } from './seal.ts';

const seal = sealWith('5e'.repeat(32));
const context = { id: 'abcdefghij', service: 'aidb', kind: 'hs' };
const sealBroken = { code: 'seal_broken' };

test('opens what it sealed, whatever the secret', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string(), fc.string(), fc.string(), (secret, id, service, kind) => {
      assert.equal(seal.open(seal.seal(secret, { id, service, kind }), { id, service, kind }), secret);
    }),
  );
});

test('does not open in another place: id, service and kind are bound', () => {
  const sealed = seal.seal('the secret', context);
  for (const moved of [
    { id: 'abcdefghik' },
    { service: 'aidc' },
    { kind: 'sk' },
    { id: 'abcdefghijaidb', service: '' },
  ])
    assert.throws(() => seal.open(sealed, { ...context, ...moved }), sealBroken);
  const quoted = { id: 'a","b', service: 'c', kind: 'hs' };
  assert.throws(() => seal.open(seal.seal('s', quoted), { id: 'a', service: 'b","c', kind: 'hs' }), sealBroken);
});

test('does not open when any byte was changed, cut off or added', () => {
  const sealed = seal.seal('the secret', context);
  const bytes = Buffer.from(sealed.slice(3), 'base64url');
  for (let place = 0; place < bytes.length; place += 1) {
    const changed = Buffer.from(bytes);
    changed[place] = (changed[place] as number) ^ 0x01;
    assert.throws(() => seal.open(`v1.${changed.toString('base64url')}`, context), sealBroken);
    assert.throws(() => seal.open(`v1.${bytes.subarray(0, place).toString('base64url')}`, context), sealBroken);
  }
  assert.throws(
    () => seal.open(`v1.${Buffer.concat([bytes, Buffer.alloc(1)]).toString('base64url')}`, context),
    sealBroken,
  );
  assert.throws(() => seal.open(sealed.replace('v1.', 'v2.'), context), sealBroken);
  fc.assert(fc.property(fc.string(), (text) => assert.throws(() => seal.open(text, context), sealBroken)));
});

test('does not open with another master key, and says so without showing the secret', () => {
  const sealed = seal.seal('the secret', context);
  assert.throws(
    () => sealWith('5f'.repeat(32)).open(sealed, context),
    (error: Error) => /COUNTERSIGN_MASTER_KEY/.test(error.message) && !error.message.includes('the secret'),
  );
});

test('seals the same secret differently each time', () => {
  assert.notEqual(seal.seal('s', context), seal.seal('s', context));
});

test('refuses a master key of any other form without showing it', () => {
  for (const wrong of ['', 'ab', 'zz'.repeat(32), '5e'.repeat(33), `${'5e'.repeat(32)}\n`])
    assert.throws(
      () => sealWith(wrong),
      (error: Error) => error instanceof TypeError && (wrong.length < 3 || !error.message.includes(wrong)),
    );
});
