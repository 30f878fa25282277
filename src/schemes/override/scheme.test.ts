import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deny } from '../../core/verdict.ts';
import { equalSecrets } from '../../crypto/compare.ts';
import { away, exampleRequest, schemeContract } from '../scheme.contract.ts';
import { override } from './index.ts';

const token = 'break the glass';
const attempt = (_address: string, presented: string) =>
  ({ result: equalSecrets(presented, token) ? 'right' : 'wrong' }) as const;
const scheme = override({ attempt });
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
  outage: { scheme: override({ attempt: away }), request: withToken(token) },
}));

test('does not advertise itself', () => {
  assert.equal(scheme.challenge(deny('missing_credentials', '')), null);
});

test('a guess beyond the limit is answered as such, with the time to wait', async () => {
  const limited = override({ attempt: async () => ({ result: 'limited', retryAfter: 7 }) });
  const verdict = await limited.authenticate(withToken('a guess'));
  assert.ok(verdict && !verdict.allowed);
  assert.deepEqual([verdict.reason, verdict.retryAfter], ['rate_limited', 7]);
});
