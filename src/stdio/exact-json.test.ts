import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/fixtures/properties.ts';
import { parsed } from './exact-json.ts';

const again = (text: string): string => JSON.stringify(parsed(text));

test('a number that no double can hold stays as it was written', () => {
  for (const number of [
    '12345678901234567890',
    '-9007199254740993',
    '0.1234567890123456789012',
    '1234567890123456789e-3',
    `1${'0'.repeat(20)}1`,
    `0.${'1'.repeat(60)}`,
    '9007199254740993e400',
    '9007199254.7409931',
    '1e309',
    '1e-400',
    '1e+0309',
  ])
    assert.equal(again(`{"id":${number},"text":"x"}`), `{"id":${number},"text":"x"}`);
});

test('a message whose numbers are doubles is read without a look at each, however long they are written', () => {
  // What Python and others write of a double; a number that was kept as text would be an object here.
  for (const number of ['0.12345678901234568', '1.2345678901234568e-05', '1E-05', '-1.7976931348623157e+308', '5E-324'])
    assert.deepEqual(parsed(`[${number}, "0123456789012345"]`), [Number(number), '0123456789012345']);
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      for (const text of [String(value), value.toExponential()])
        assert.deepEqual(parsed(`[${text}]`), [JSON.parse(text) as number]);
    }),
  );
});

test('a number is the same when it is read again', () => {
  fc.assert(
    fc.property(fc.bigInt(), fc.integer({ min: -400, max: 400 }), (digits, exponent) => {
      const text = `${digits}e${exponent}`;
      const written = again(`[${text}]`).slice(1, -1);
      assert.ok(written === text || sameDigits(written, text), `${text} became ${written}`);
    }),
  );
});

/** Of two ways to write a number. */
function sameDigits(one: string, other: string): boolean {
  const digits = (text: string) => text.replace(/e.*/, '').replace(/[-.]/g, '').replace(/^0+/, '').replace(/0+$/, '');
  return digits(one) === digits(other) && Number(one) === Number(other);
}
