import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/fixtures/properties.ts';
import { presented, type Presented } from './bearer.ts';
import { requestWith } from '../../test/fixtures/asked.ts';

function read(headers: Record<string, readonly string[]>, authorization: 'ours' | 'upstream' = 'ours'): Presented {
  return presented(requestWith({ headers }), authorization);
}

test('nothing presented is none', () => {
  assert.deepEqual(read({}), { kind: 'none' });
});

test('a Bearer is read with its scheme in any case and any number of spaces', () => {
  for (const line of ['Bearer abc', 'bearer abc', 'BEARER abc', 'BeArEr   abc'])
    assert.deepEqual(read({ authorization: [line] }), { kind: 'bearer', value: 'abc' }, line);
});

test('an x-api-key is read as it is', () => {
  assert.deepEqual(read({ 'x-api-key': ['a.b:c=='] }), { kind: 'x-api-key', value: 'a.b:c==' });
});

test('what is not exactly one well-formed credential is malformed', () => {
  const lines = ['', 'Bearer', 'Bearer ', 'Bearer    ', 'Basic abc', 'abc', 'Bearerabc', 'Bearer\tabc', ' Bearer abc', 'Bearer a b',
    'Bearer abc ', 'Bearer a\u00e9', 'Bearer a\u0000b', 'Bearer a\u007f', `Bearer ${'a'.repeat(8193)}`, 'Bearer a, Bearer b']; // prettier-ignore
  for (const line of lines) assert.equal(read({ authorization: [line] }).kind, 'malformed', JSON.stringify(line));
  for (const line of ['', ' ', 'a b', 'a\u00e9', 'a'.repeat(8193)])
    assert.equal(read({ 'x-api-key': [line] }).kind, 'malformed', JSON.stringify(line));
});

test('two lines of one field are malformed, even when they agree', () => {
  assert.equal(read({ authorization: ['Bearer abc', 'Bearer abc'] }).kind, 'malformed');
  assert.equal(read({ 'x-api-key': ['abc', 'abc'] }).kind, 'malformed');
  assert.equal(read({ authorization: ['Bearer abc'], 'x-api-key': ['abc', 'abc'] }).kind, 'malformed');
});

test('both fields must hold the same credential; then the Bearer counts', () => {
  assert.deepEqual(read({ authorization: ['Bearer abc'], 'x-api-key': ['abc'] }), { kind: 'bearer', value: 'abc' });
  assert.equal(read({ authorization: ['Bearer abc'], 'x-api-key': ['abd'] }).kind, 'malformed');
  assert.equal(read({ authorization: ['Basic abc'], 'x-api-key': ['abc'] }).kind, 'malformed');
});

test('an Authorization that belongs to the upstream is not read', () => {
  assert.deepEqual(read({ authorization: ['Basic abc', 'x'] }, 'upstream'), { kind: 'none' });
  assert.deepEqual(read({ authorization: ['Bearer abc'], 'x-api-key': ['abd'] }, 'upstream'), {
    kind: 'x-api-key',
    value: 'abd',
  });
});

test('whatever the lines hold, a value is visible ASCII, and a note repeats nothing of it', () => {
  const line = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: 'binary', minLength: 8 }).map((text) => `Bearer ${text}`),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 3 }), fc.array(line, { maxLength: 3 }), (authorization, key) => {
      const found = read({ authorization, 'x-api-key': key });
      if (found.kind === 'bearer' || found.kind === 'x-api-key') assert.match(found.value, /^[\x21-\x7e]{1,8192}$/);
      if (found.kind !== 'malformed') return;
      for (const text of [...authorization, ...key]) if (text.length > 12) assert.ok(!found.note.includes(text));
    }),
    { numRuns: 2000 },
  );
});
