import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/fixtures/properties.ts';
import { addressOf, baseOf, isWithin, targetOf } from './address.ts';

const base = baseOf('http://stack.internal:8700/embeddings/');

test('a path is appended to the base, whatever it begins with', () => {
  const at = (target: string) => targetOf(addressOf(target, base));
  assert.equal(at('/embed'), '/embeddings/embed');
  assert.equal(at('embed'), '/embeddings/embed');
  assert.equal(at('?a=b'), '/embeddings?a=b');
  assert.equal(at(''), '/embeddings');
  assert.equal(at('/a b?c d#e'), '/embeddings/a%20b?c%20d');
  assert.equal(at('http://stack.internal:8700/elsewhere'), '/elsewhere', 'whoever writes the whole URL means it');
});

test('nothing that may be put into a path leads out of the base', () => {
  const piece = fc.oneof(
    fc.constantFrom('..', '.', '%2e%2e', '%2E.', '\\', '/', '//', '@', ':', '?', '#', 'a', '\t', '\n', '%2f', 'é', ' '),
    fc.string({ unit: 'binary', maxLength: 4 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const target = `/${pieces.join('')}`;
      try {
        assert.ok(isWithin(addressOf(target, base), base), target);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'outside_base', target);
      }
    }),
    { numRuns: 3000 },
  );
});

test('a base is an origin and a path', () => {
  assert.deepEqual(baseOf('HTTPS://Stack.Internal:443'), { origin: 'https://stack.internal', path: '' });
  assert.deepEqual(baseOf(new URL('http://[::1]:8700/a/b//')), { origin: 'http://[::1]:8700', path: '/a/b' });
  for (const wrong of ['', 'stack.internal', 'ftp://a', 'http://a?b', 'http://a#b', 'http://me:secret@a'])
    assert.throws(
      () => baseOf(wrong),
      (error: Error) => error instanceof TypeError && !/secret/.test(error.message),
    );
});

test('without a base a request names an http URL of its own', () => {
  assert.equal(addressOf('https://a/b', null).href, 'https://a/b');
  for (const wrong of ['/a', '', 'file:///a', 'data:,a']) assert.throws(() => addressOf(wrong, null), TypeError);
});
