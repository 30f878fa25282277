import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { AuthRequest } from '../../core/request.ts';
import { httpSignature } from './scheme.ts';

const manual = readFileSync(new URL('../../../docs/credentials.md', import.meta.url), 'utf8');

test('the request in the manual is one that is accepted with the key that stands there', async () => {
  const [, key = '', start = '', head = '', body = ''] =
    /with the key\s`([^`]+)`:\n\n```\n(POST .*)\n([^]*?)\n\n([^]*?)\n```/.exec(manual) ?? [];
  const [method = '', target = ''] = start.split(' ');
  const fields = new Map(
    head.split('\n').map((line) => [line.split(': ', 1)[0]?.toLowerCase(), line.replace(/^.*?: /, '')]),
  );
  const request: AuthRequest = {
    method,
    target,
    path: '/embed',
    service: 'embeddings',
    authority: fields.get('host') ?? '',
    protocol: 'http',
    remoteAddress: '127.0.0.1',
    requestId: 'r',
    bodyPresence: 'present',
    fields: (name) => [fields.get(name) ?? []].flat(),
    body: async () => Buffer.from(body),
  };
  const principal = {
    id: 'service:aidb',
    scheme: 'http-signature',
    credentialId: 'k',
    scopes: [],
    expiresAt: null,
    addresses: null,
  };
  const scheme = httpSignature({
    keys: {
      signatureKeys: () => [
        {
          principal,
          algorithm: 'hmac-sha256',
          verify: (base, signature) => createHmac('sha256', key).update(base).digest('base64') === signature,
          expiresAt: null,
          revoked: false,
        },
      ],
    },
    clock: () => 1_800_000_000,
    once: () => true,
  });
  const verdict = await scheme.authenticate(request);
  assert.ok(verdict?.allowed, JSON.stringify(verdict));
});
