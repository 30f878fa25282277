import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEnv } from 'node:util';
import * as fc from '../../../test/fixtures/properties.ts';
import { parseEnvFile } from './env-file.ts';

function valuesOf(text: string): Record<string, string> {
  const reading = parseEnvFile(text);
  assert.ok(reading.ok);
  return Object.fromEntries(reading.values);
}

test('reads quotes, export, comments and CRLF as a shell would', () => {
  const text = [
    '\uFEFF# keys of aidb',
    '',
    'SERVICE_ID=aidb # who',
    "export SERVICE_KEY='a # b'",
    '  SPACED = x  ',
    'HASH=a#b',
    'ESCAPED="a\\"b\\\\c\\n" # end',
    'EMPTY=',
    'EMPTY_TOO= # nothing',
    '#COMMENTED=1',
    'no assignment',
    'TWICE=1',
    'TWICE=2',
  ].join('\r\n');
  assert.deepEqual(valuesOf(text), {
    SERVICE_ID: 'aidb',
    SERVICE_KEY: 'a # b',
    SPACED: 'x',
    HASH: 'a#b',
    ESCAPED: 'a"b\\c\\n',
    EMPTY: '',
    EMPTY_TOO: '',
    TWICE: '2',
  });
});

test('refuses quotes that do not end their line, naming the line', () => {
  for (const value of ['"open', "'open", '"a"b', "'a' b", '"a\\"']) {
    assert.deepEqual(parseEnvFile(`A=1\nSERVICE_KEY=${value}`), {
      ok: false,
      line: 2,
      fault: 'the quotes do not end the line they are on',
    });
  }
});

const name = fc.stringMatching(/^[A-Z_][A-Z0-9_]{0,12}$/);
const plainValue = fc.stringMatching(/^(?:[A-Za-z0-9+/=_.:@$~-]{1,40})?$/);
const quotedValue = fc.stringMatching(/^[A-Za-z0-9 +/=_.#:@$~-]{0,40}$/);
const line = fc.oneof(
  fc.tuple(name, plainValue).map(([key, value]) => `${key}=${value}`),
  fc
    .tuple(name, quotedValue, fc.constantFrom('"', "'"))
    .map(([key, value, quote]) => `${key}=${quote}${value}${quote}`),
  fc.tuple(name, plainValue).map(([key, value]) => `export ${key}=${value} # why`),
  fc.constantFrom('', '# a comment', '   '),
);

test('agrees with node:util parseEnv wherever shells and parseEnv agree', () => {
  fc.assert(
    fc.property(fc.array(line, { maxLength: 8 }), fc.constantFrom('\n', '\r\n'), (lines, newline) => {
      const text = lines.join(newline);
      assert.deepEqual({ ...valuesOf(text) }, { ...parseEnv(text) });
    }),
    { numRuns: 500 },
  );
});

test('gives back any value that was written in single quotes, and never throws', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (value) => {
      const reading = parseEnvFile(value);
      assert.equal(typeof reading.ok, 'boolean');
      if (/['\r\n]/.test(value)) return;
      assert.equal(valuesOf(`SERVICE_KEY='${value}'`)['SERVICE_KEY'], value);
    }),
    { numRuns: 500 },
  );
});
