import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../../test/fixtures/properties.ts';
import { isScalar, parseDocument, Scalar } from 'yaml';
import { leafOf, setLeaf, type Leaf } from './leaf.ts';

function read(text: string): Leaf | null {
  const node = parseDocument(text, { intAsBigInt: true, customTags: ['binary'] }).contents;
  assert.ok(isScalar(node), text);
  return leafOf(node, 'x');
}

const shown = (leaf: Leaf | null): string => (leaf === null ? 'null' : `${leaf.type} ${leaf.bytes.toString()}`);

const readings: readonly [text: string, leaf: string][] = [
  ['~', 'null'],
  ['yes', 'str yes'],
  ['True', 'bool True'],
  ['false', 'bool False'],
  ['-0', 'int 0'],
  ['+7', 'int 7'],
  ['0o14', 'int 12'],
  ['0x1F', 'int 31'],
  ['-9223372036854775808', 'int -9223372036854775808'],
  ['1.50', 'float 1.5'],
  ['1e21', 'float 1000000000000000000000'],
  ['-2.5e-9', 'float -0.0000000025'],
  ['-0.0', 'float -0'],
  ['.5', 'float 0.5'],
  ['-.Inf', 'float -Inf'],
  ['.nan', 'float NaN'],
  ['"42"', 'str 42'],
  ["'true'", 'str true'],
  ['!!str 42', 'str 42'],
  ['!!binary aGk=', 'bytes hi'],
  ['2001-12-14T21:59:43.1+02:00', 'time 2001-12-14T21:59:43.1+02:00'],
];
for (const [text, leaf] of readings) test(`${text} is ${leaf}`, () => assert.equal(shown(read(text)), leaf));

for (const text of [
  '010',
  '1_000',
  '0b1',
  '-0x1',
  '0x1_F',
  '2001-01-01',
  '2001-1-1 1:2:3',
  '2001-12-14T21:59:43.10Z',
  '9223372036854775808',
  '!!int "5"',
  '!other x',
]) {
  test(`${text} is refused: programs read it in different ways`, () => {
    assert.throws(() => read(text), { code: 'bundle_invalid' });
  });
}

test('a number is written with the digits that give it back, and without an exponent', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
      const scalar = new Scalar(number);
      scalar.source = String(number).includes('.') || /e/.test(String(number)) ? String(number) : `${number}.0`;
      const leaf = leafOf(scalar, 'x');
      const text = leaf?.bytes.toString() ?? '';
      assert.match(text, /^-?[0-9]+(?:\.[0-9]+)?$/);
      assert.equal(leaf?.type, 'float');
      assert.ok(Object.is(Number(text), Object.is(number, -0) ? 0 : number) || Object.is(Number(text), number));
    }),
  );
});

test('what is set reads back as the same type and bytes, whatever the text', () => {
  const texts = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom(...readings.map(([text]) => text), '010', '1_000', '2001-01-01', '<<', '='),
  );
  fc.assert(
    fc.property(
      texts.filter((text) => text.isWellFormed()),
      (text) => {
        const document = parseDocument('a: b');
        const scalar = document.get('a', true) as Scalar;
        const leaf: Leaf = { type: 'str', bytes: Buffer.from(text) };
        setLeaf(scalar, leaf, 'a');
        const again = parseDocument(document.toString({ lineWidth: 0 })).get('a', true) as Scalar;
        assert.deepEqual(leafOf(again, 'a'), leaf);
      },
    ),
  );
});
