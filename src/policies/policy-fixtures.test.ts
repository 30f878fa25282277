import type { AuthRequest } from '../core/request.ts';
import type { Route } from '../core/route.ts';
import type { Principal } from '../core/verdict.ts';

/** What the tests of this room ask about; they say only what they are about. */
export function callerNamed(id: string, details: Partial<Principal> = {}): Principal {
  return { id, scheme: 'api-key', credentialId: 'k1', scopes: [], expiresAt: null, addresses: null, ...details };
}

export function requestTo(details: Partial<AuthRequest>): AuthRequest {
  return {
    method: 'GET',
    target: '/embeddings/embed',
    path: '/embed',
    service: 'embeddings',
    authority: '127.0.0.1:8700',
    protocol: 'http',
    remoteAddress: '10.0.0.7',
    requestId: 'r1',
    fields: () => [],
    bodyPresence: 'none',
    body: async () => new Uint8Array(),
    ...details,
  };
}

export function routeWith(details: Partial<Route>): Route {
  return {
    path: '/embed',
    methods: null,
    access: 'any',
    callers: null,
    scopes: [],
    addresses: null,
    rateLimit: null,
    mode: null,
    staleSecondsMax: null,
    service: 'embeddings',
    label: '/embed',
    methodAllowed: true,
    mcp: null,
    origins: null,
    ...details,
  };
}
