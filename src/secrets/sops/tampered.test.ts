/** Whoever can write a bundle and not open it: what they change is found, or changes no value. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { person } from '../../../test/fixtures/sops.ts';
import { entriesOf, setSecret, textOf } from '../bundle.ts';
import { indentOf } from './document.ts';
import { ruleFrom } from './rule.ts';
import { newSopsFile, openSopsFile } from './sops-file.ts';

const alice = person('alice');
const now = 1_790_000_000;

async function bundleWith(name: string, value: string): Promise<string> {
  const file = await newSopsFile('yaml', ruleFrom({}), [alice.recipient]);
  setSecret(file, name, value);
  return file.text(now);
}

async function valuesOf(text: string): Promise<string[]> {
  return entriesOf(await openSopsFile(text, 'yaml', [alice.identity])).map(textOf);
}

for (const [value, type] of [
  ['007', 'int'],
  ['-0', 'int'],
  ['0.10', 'float'],
  ['1e5', 'float'],
  ['2.0', 'float'],
  ['true', 'bool'],
] as const)
  test(`${value}, said to be of type ${type}, would be another value, and is refused`, async () => {
    const text = (await bundleWith('pin', value)).replace('type:str]', `type:${type}]`);
    await assert.rejects(valuesOf(text), { code: 'bundle_changed' });
  });

test('an integer that is too great for one is refused as what was changed', async () => {
  const text = (await bundleWith('pin', '9'.repeat(19))).replace('type:str]', 'type:int]');
  await assert.rejects(valuesOf(text), { code: 'bundle_changed' });
});

for (const [value, type] of [
  ['7', 'int'],
  ['0.1', 'float'],
  ['True', 'bool'],
  ['2001-12-14T21:59:43Z', 'time'],
  ['007', 'bytes'],
] as const)
  test(`${value} is the same value as ${type}`, async () => {
    const text = (await bundleWith('pin', value)).replace('type:str]', `type:${type}]`);
    assert.deepEqual(await valuesOf(text), [value]);
  });

for (const kind of ['!!pairs', '!!omap'])
  test(`values in ${kind}, which no MAC is over, are refused`, async () => {
    const text = `%YAML 1.1\n---\nhidden: ${kind} [a: 1, b: 2]\n${await bundleWith('pin', '1')}`;
    await assert.rejects(valuesOf(text), { code: 'bundle_invalid' });
  });

test('a comment of any content does not hold up the reading', () => {
  assert.equal(indentOf(`a: b ${':#'.repeat(400_000)}\n${'a:\n'.repeat(100_000)}${'#\n'.repeat(100_000)}`), 4);
});

for (const field of ['encrypted_regex', 'unencrypted_regex'])
  test(`a pattern in ${field} that would be matched for years is refused`, async () => {
    const text = `${'a'.repeat(40)}_: ""\n${await bundleWith('pin', '1')}    ${field}: ^(a+)+$\n`;
    await assert.rejects(valuesOf(text), { code: 'bundle_invalid', message: /is no pattern that can be used here/ });
  });

for (const [text, width] of [
  ['a:\n  b: 1\n', 2],
  ['a: 1\nb: # about\n\n  # more\n   c: 1\n', 3],
  ['- a\n  - b\na:\n- b\nc:\n        d: 1\n', 8],
  ['a:\n         b: 1\n', 4],
  ['a: |\n  text\nb:\n      c: 1\n', 6],
  ['a: 1\n', 4],
] as const)
  test(`the indent of ${JSON.stringify(text)} is ${width}`, () => assert.equal(indentOf(text), width));
