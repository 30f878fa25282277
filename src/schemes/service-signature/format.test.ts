import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../../test/fixtures/properties.ts';
import { isServiceId, pathLengthOf, pathOfTarget, secondsOf, signatureMessage } from './format.ts';
import { messageLength, writeMessage } from './signed-bytes.ts';

test('the bytes that are verified are those of the message that is signed, and not one beside them', () => {
  const latin = fc.string({ unit: fc.integer({ min: 0, max: 0xff }).map((code) => String.fromCharCode(code)) });
  fc.assert(
    fc.property(latin, latin, latin, latin, (serviceId, method, target, timestamp) => {
      const signed = { serviceId, method, target, timestamp, pathLength: pathLengthOf(target) };
      const bytes = Buffer.alloc(3 + messageLength(signed) + 3, 0xee);
      writeMessage(signed, bytes, 3);
      const message = signatureMessage(serviceId, method, pathOfTarget(target), timestamp);
      assert.equal(bytes.toString('latin1'), `îîî${message}îîî`);
    }),
  );
});

test('a service id is a letter or digit, then up to 127 letters, digits, dots, underscores and hyphens', () => {
  const expected = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
  for (let code = 0; code < 0x200; code += 1)
    for (const text of [String.fromCharCode(code), `a${String.fromCharCode(code)}`, `a${String.fromCharCode(code)}a`])
      assert.equal(isServiceId(text), expected.test(text), JSON.stringify(text));
  for (const text of ['', 'a'.repeat(128), 'a'.repeat(129), 'aidb\n', 'aid\u0161', '\ud83d'])
    assert.equal(isServiceId(text), expected.test(text), JSON.stringify(text));
});

test('a timestamp is read only as signers write it', () => {
  for (const [text, seconds] of [
    ['0', 0],
    ['9', 9],
    ['1760000000', 1_760_000_000],
    ['999999999999', 999_999_999_999],
  ] as const)
    assert.equal(secondsOf(text), seconds);
  for (const text of [
    '',
    '00',
    '01',
    '1000000000000',
    '-1',
    '+1',
    '1.0',
    '1e3',
    ' 1',
    '1 ',
    '0x1',
    '١',
    '1760000000\n',
  ])
    assert.equal(secondsOf(text), null, JSON.stringify(text));
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('0', '1', '9', '/', ':', '-'), maxLength: 14 }), (text) => {
      assert.equal(secondsOf(text), /^(?:0|[1-9][0-9]{0,11})$/.test(text) ? Number(text) : null);
    }),
  );
});
