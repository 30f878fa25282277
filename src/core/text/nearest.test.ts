import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../../test/fixtures/properties.ts';
import { nearest } from './nearest.ts';

test('finds what was probably meant, and nothing that is far from it', () => {
  const names = ['baseUrl', 'rateLimit', 'timeoutSeconds'];
  for (const word of ['baseURL', 'base_url', 'baseUr']) assert.equal(nearest(word, names), 'baseUrl', word);
  for (const word of ['rate-limit', 'rateLimits']) assert.equal(nearest(word, names), 'rateLimit', word);
  for (const word of ['timeout', 'x', '', 'a'.repeat(65)]) assert.equal(nearest(word, names), null, word);
});

test('takes any text, and answers with a candidate or nothing', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (text) => {
      const meant = nearest(text, ['listen', 'mode']);
      assert.ok(meant === null || ['listen', 'mode'].includes(meant));
    }),
  );
});
