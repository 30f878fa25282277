import type { Decision } from '../core/decision.ts';
import type { AuthRequest } from '../core/request.ts';
import type { Route } from '../core/route.ts';
import type { DecisionRow } from '../core/store.ts';
import type { Principal } from '../core/verdict.ts';

/** What the tests of this room decide about; they say only what they are about. */
export const aidb: Principal = {
  id: 'service:aidb',
  scheme: 'api-key',
  credentialId: 'k1',
  scopes: [],
  expiresAt: null,
  addresses: null,
};

export const embed: Route = {
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
};

export function requestTo(details: Partial<AuthRequest> = {}): AuthRequest {
  return {
    method: 'POST',
    target: '/embeddings/embed?text=private',
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

export function decisionOf(details: Partial<Decision> = {}): Decision {
  return {
    verdict: { allowed: true, principal: aidb, skewSeconds: null },
    route: embed,
    mode: 'enforce',
    outcome: 'allow',
    durationMicros: 4.56,
    ...details,
  };
}

export function rowWith(details: Partial<DecisionRow> = {}): DecisionRow {
  return {
    time: 1_795_000_000.25,
    outcome: 'allow',
    reason: '',
    note: '',
    mode: 'enforce',
    service: 'embeddings',
    route: '/embed',
    method: 'POST',
    path: '/embed',
    principal: 'service:aidb',
    claimed: '',
    scheme: 'api-key',
    credentialId: 'k1',
    clientAddress: '10.0.0.7',
    skewSeconds: null,
    durationMicros: 4.56,
    requestId: 'r1',
    ...details,
  };
}
