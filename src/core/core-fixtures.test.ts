import type { AuthRequest } from './request.ts';
import type { RouteRule } from './route.ts';
import type { Principal } from './verdict.ts';

/** What the tests of this room ask about; they say only what they are about. Field names in lower case. */
export function requestWith(
  details: Partial<AuthRequest> & { headers?: Record<string, readonly string[]> } = {},
): AuthRequest {
  const { headers = {}, ...rest } = details;
  return {
    method: 'GET',
    target: '/embeddings/embed',
    path: '/embed',
    service: 'embeddings',
    authority: '127.0.0.1:8700',
    protocol: 'http',
    remoteAddress: '10.0.0.7',
    requestId: 'r1',
    fields: (name) => headers[name] ?? [],
    bodyPresence: 'none',
    body: async () => new Uint8Array(),
    ...rest,
  };
}

export function ruleFor(path: string, details: Partial<RouteRule> = {}): RouteRule {
  return {
    path,
    methods: null,
    access: 'any',
    callers: null,
    scopes: [],
    addresses: null,
    rateLimit: null,
    mode: null,
    staleSecondsMax: null,
    ...details,
  };
}

export const aidb: Principal = {
  id: 'service:aidb',
  scheme: 'first',
  credentialId: 'k1',
  scopes: ['embed:read', 'embed:write'],
  expiresAt: null,
  addresses: null,
};
