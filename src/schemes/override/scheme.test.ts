import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deny } from '../../core/verdict.ts';
import { equalSecrets } from '../../crypto/compare.ts';
import { away, exampleRequest, schemeContract } from '../scheme.contract.ts';
import { override } from './index.ts';

const token = 'break the glass';
const scheme = override({ isOverrideToken: (presented) => equalSecrets(presented, token) });
const withToken = (value: string) => exampleRequest({ headers: { 'x-override-token': value } });

schemeContract('override', () => ({
  scheme,
  accepted: withToken(token),
  principalId: 'operator:break-glass',
  broken: [
    { what: 'a wrong token', request: withToken('break the window'), reason: 'invalid_credentials' },
    { what: 'an empty token', request: withToken(''), reason: 'invalid_credentials' },
    {
      what: 'two lines',
      request: exampleRequest({ lines: { 'x-override-token': [token, token] } }),
      reason: 'malformed_credentials',
    },
  ],
  foreign: [exampleRequest({ headers: { authorization: `Bearer ${token}`, 'x-api-key': token } })],
  secrets: [token, 'break the window'],
  fields: ['x-override-token'],
  outage: { scheme: override({ isOverrideToken: away }), request: withToken(token) },
}));

test('does not advertise itself', () => {
  assert.equal(scheme.challenge(deny('missing_credentials', '')), null);
});
