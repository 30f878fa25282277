import type { Decision } from '../core/decision.ts';
import type { AuthRequest } from '../core/request.ts';
import type { DecisionRow } from '../core/store.ts';
import { callerNamed, requestWith, routeWith } from '../../test/fixtures/asked.ts';

/** What the tests of this room decide about; they say only what they are about. */
export const aidb = callerNamed('service:aidb');

export function requestTo(details: Partial<AuthRequest> = {}): AuthRequest {
  return requestWith({ method: 'POST', target: '/embeddings/embed?text=private', ...details });
}

export function decisionOf(details: Partial<Decision> = {}): Decision {
  return {
    verdict: { allowed: true, principal: aidb, skewSeconds: null },
    route: routeWith(),
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
