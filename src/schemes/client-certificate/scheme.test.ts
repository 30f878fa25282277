import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClientCertificate } from '../../core/certificate.ts';
import type { AuthRequest } from '../../core/request.ts';
import { exampleRequest, schemeContract } from '../scheme.contract.ts';
import { clientCertificate } from './index.ts';

const now = 1_759_744_800;
const good: ClientCertificate = {
  fault: null,
  serial: '1ab2',
  commonName: 'aidb',
  uris: ['spiffe://stack.internal/aidb'],
  notBefore: now - 60,
  notAfter: now + 60,
  isAuthority: false,
};
const scheme = clientCertificate({
  names: () => ({ trustDomain: 'stack.internal', subjects: new Map([['batch-1', 'batch']]) }),
  isRevoked: (serial) => serial === 'dead',
  clock: () => now,
  authorization: 'ours',
});

const shown = (changed: Partial<ClientCertificate> = {}): AuthRequest =>
  exampleRequest({ certificate: { ...good, ...changed } });
const uri = (...uris: string[]): AuthRequest => shown({ uris });

schemeContract('client-certificate', () => ({
  scheme,
  accepted: shown(),
  principalId: 'service:aidb',
  broken: [
    { what: 'no chain', request: shown({ fault: 'UNABLE_TO_GET_ISSUER_CERT' }), reason: 'invalid_credentials' },
    { what: 'another purpose', request: shown({ fault: 'INVALID_PURPOSE' }), reason: 'invalid_credentials' },
    { what: 'expired at the handshake', request: shown({ fault: 'CERT_HAS_EXPIRED' }), reason: 'expired' },
    { what: 'expired since', request: shown({ notAfter: now }), reason: 'expired' },
    { what: 'not yet valid', request: shown({ notBefore: now + 1 }), reason: 'expired' },
    { what: 'a time that cannot be read', request: shown({ notAfter: Number.NaN }), reason: 'expired' },
    { what: 'revoked', request: shown({ serial: 'dead' }), reason: 'revoked' },
    { what: 'an authority', request: shown({ isAuthority: true }), reason: 'invalid_credentials' },
    { what: 'no name', request: shown({ uris: [] }), reason: 'invalid_credentials' },
    { what: 'another domain', request: uri('spiffe://other.internal/aidb'), reason: 'invalid_credentials' },
    { what: 'a longer domain', request: uri('spiffe://stack.internal.evil/aidb'), reason: 'invalid_credentials' },
    { what: 'a path', request: uri('spiffe://stack.internal/aidb/x'), reason: 'invalid_credentials' },
    { what: 'a query', request: uri('spiffe://stack.internal/aidb?x'), reason: 'invalid_credentials' },
    { what: 'another scheme', request: uri('https://stack.internal/aidb'), reason: 'invalid_credentials' },
    { what: 'in quotes', request: uri('"spiffe://stack.internal/aidb"'), reason: 'invalid_credentials' },
    { what: 'in capitals', request: uri('SPIFFE://STACK.INTERNAL/aidb'), reason: 'invalid_credentials' },
    { what: 'two names', request: uri(...good.uris, 'spiffe://stack.internal/web'), reason: 'invalid_credentials' },
    {
      what: 'a URI that is no id beside a listed common name',
      request: shown({ uris: ['https://a'], commonName: 'batch-1' }),
      reason: 'invalid_credentials',
    },
  ],
  foreign: [
    exampleRequest({ certificate: good, headers: { authorization: 'Bearer x' } }),
    exampleRequest({ certificate: good, headers: { 'x-api-key': 'x' } }),
  ],
  secrets: [],
  fields: ['authorization', 'x-api-key'],
  outage: null,
}));

test('a common name proves a service where it is listed, and ends with the certificate', async () => {
  const verdict = await scheme.authenticate(shown({ uris: [], commonName: 'batch-1' }));
  assert.ok(verdict?.allowed);
  assert.deepEqual(
    [verdict.principal.id, verdict.principal.credentialId, verdict.principal.expiresAt],
    ['service:batch', '1ab2', now + 60],
  );
});

test('a certificate proves nobody where no listener asks for any', async () => {
  const off = clientCertificate({ names: () => null, isRevoked: () => false, clock: () => now, authorization: 'ours' });
  assert.equal(await off.authenticate(shown()), null);
});

test('a page of another site gains nothing by the certificate of a browser', async () => {
  const asked = async (site: string): Promise<boolean | undefined> =>
    (await scheme.authenticate({ ...shown(), fields: (name) => (name === 'sec-fetch-site' ? [site] : []) }))?.allowed;
  assert.deepEqual(await Promise.all(['cross-site', 'same-site', 'same-origin', 'none'].map(asked)), [
    false,
    false,
    true,
    true,
  ]);
});
