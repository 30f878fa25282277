import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Principal } from '../core/verdict.ts';
import type { SchemeName } from './config.ts';
import { parseConfig } from './load/load.ts';
import { reachOf } from './reach.ts';

const config = parseConfig(
  `callers: [aidb, web]
services:
  embeddings:
    upstream: http://127.0.0.1:8081
    routes:
      - { path: /health, access: public }
      - { path: /embed, methods: [POST], callers: [aidb], scopes: [embed:write], allowedIps: [10.0.0.0/8] }
      - { path: /internal/*, access: service }
      - { path: /admin/*, access: operator }
  closed:
    upstream: http://127.0.0.1:8082
    routes: [{ path: /*, callers: [web] }]
  signed:
    upstream: http://127.0.0.1:8083
    accept: [http-signature]
`,
  { file: null, env: {} },
);

function reached(
  id: string,
  details: { scopes?: string[]; schemes?: SchemeName[]; acceptedAt?: string | null } = {},
): string[] {
  const { scopes = [], schemes = ['api-key'], acceptedAt = null } = details;
  const principal: Principal = { id, scheme: '', credentialId: 'k', scopes, expiresAt: null, addresses: null };
  return reachOf(config, { principal, schemes, acceptedAt }).map(
    ({ service, path, methods, addresses }) =>
      `${service}${path}${methods ? ` ${methods.join()}` : ''}${addresses ? ` from ${addresses.join()}` : ''}`,
  );
}

test('what a credential opens is what the rules let it, with its scopes and by the schemes that it serves', () => {
  const everywhere = ['embeddings/internal/*', 'embeddings/*'];
  assert.deepEqual(reached('service:aidb'), everywhere, 'without the scope not /embed');
  assert.deepEqual(reached('service:aidb', { scopes: ['embed:write'] }), [
    'embeddings/embed POST from 10.0.0.0/8',
    ...everywhere,
  ]);
  assert.deepEqual(reached('service:web', { scopes: ['embed:write'] }), [...everywhere, 'closed/*']);
  assert.deepEqual(reached('service:web', { schemes: ['http-signature'] }), [...everywhere, 'closed/*', 'signed/*']);
  assert.deepEqual(reached('token:8a3c', { schemes: ['session-token'] }), ['embeddings/*']);
  assert.deepEqual(reached('holder:embeddings', { acceptedAt: 'embeddings' }), everywhere);
  assert.deepEqual(reached('holder:stack'), everywhere, 'a shared key names no caller');
});
