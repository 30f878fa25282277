import type { AddressList } from '../core/address.ts';
import type { Outcome } from '../core/decision.ts';
import type { Mode } from '../core/mode.ts';
import type { Policy } from '../core/policy.ts';
import type { AuthRequest } from '../core/request.ts';
import type { Route } from '../core/route.ts';
import type { RouteTable } from '../core/route-table.ts';
import { BodyError } from '../core/request.ts';
import type { DecisionRow } from '../core/store.ts';
import type { Principal } from '../core/verdict.ts';

/** A configuration as far as it can judge what was recorded: with its own route tables and policies. */
export interface Candidate {
  /** Null for a service that it does not have. */
  service(name: string): CandidateService | null;
  modeOf(service: string, routeLabel: string, fileMode: Mode | null): Mode;
  /** Those that need nothing but the request; limits count, and what was counted then cannot be counted again. */
  readonly policies: readonly Policy[];
}

export interface CandidateService {
  readonly table: RouteTable;
  /** Names of schemes. */
  readonly accept: readonly string[];
}

/** What the credential that was shown may do, as the store has it now. */
export interface CredentialFacts {
  readonly scopes: readonly string[];
  readonly addresses: AddressList | null;
}

export type Replayed =
  | { readonly told: true; readonly outcome: Outcome; readonly reason: string; readonly route: string }
  /** Why it cannot be told what would have become of the request. */
  | { readonly told: false; readonly why: string };

/** Of proven callers: what a rule may answer otherwise. */
const ruled: ReadonlySet<string> = new Set(['', 'not_allowed', 'insufficient_scope', 'address_not_allowed']);

/**
 * Judges a recorded request anew. Who the caller was is taken from the record: signatures, clocks, replays and bodies are not
 * there to be checked again, and what was counted (rate limits) or could not be decided stays as it was. The route, its access,
 * callers, methods, scopes, addresses, accepted schemes and mode are the candidate's. Null where no rule had a say.
 */
export async function replay(
  row: DecisionRow,
  candidate: Candidate,
  facts: CredentialFacts | null,
): Promise<Replayed | null> {
  if (row.route === '' || row.principal === 'operator:break-glass') return null;
  // Nothing was decided where it took no time: it had been let pass, by a decision that is a row of its own.
  if (row.durationMicros === 0) return null;
  if (row.path.endsWith('…')) return untold('the recorded path was cut short');
  const service = candidate.service(row.service);
  if (!service) return { told: true, outcome: 'deny', reason: 'no_such_service', route: '' };
  const route = service.table.find(row.method, row.path);
  const mode = candidate.modeOf(row.service, route.label, route.mode);
  if (mode === 'off') return { told: true, outcome: 'allow', reason: '', route: route.label };
  if (route.access === 'public' && route.methodAllowed)
    return { told: true, outcome: 'public', reason: '', route: route.label };
  // Nobody was asked then, so nobody knows what the caller would have shown.
  if (row.outcome === 'public') return untold('the route was public, so no credential was looked at');
  if (row.outcome === 'allow' && row.principal === '')
    return untold('the mode was off, so no credential was looked at');
  const judged = await judge(row, { candidate, service, route, facts });
  if (typeof judged !== 'string') return judged;
  const outcome = judged === '' ? 'allow' : mode === 'enforce' ? 'deny' : 'would_deny';
  return { told: true, outcome, reason: judged, route: route.label };
}

interface Around {
  readonly candidate: Candidate;
  readonly service: CandidateService;
  readonly route: Route;
  readonly facts: CredentialFacts | null;
}

/** A reason, '' for none. */
async function judge(row: DecisionRow, around: Around): Promise<string | Extract<Replayed, { told: false }>> {
  if (row.principal === '') return row.reason;
  if (!around.service.accept.includes(row.scheme)) return 'invalid_credentials';
  if (!ruled.has(row.reason)) return row.reason;
  return (await objectionTo(row, around)) ?? '';
}

async function objectionTo(row: DecisionRow, { candidate, route, facts }: Around) {
  const principal: Principal = {
    id: row.principal,
    scheme: row.scheme,
    credentialId: row.credentialId,
    scopes: facts?.scopes ?? [],
    expiresAt: null,
    addresses: facts?.addresses ?? null,
  };
  const request = requestOf(row);
  for (const policy of candidate.policies) {
    const denied = await policy.check(principal, request, route);
    if (denied?.reason === 'insufficient_scope' && facts === null)
      return untold('the credential is no longer known, and with it its scopes');
    if (denied) return denied.reason;
  }
  // Rules for callers and methods and one for pages refuse by the same name.
  if (row.reason === 'not_allowed' && route.origins !== null)
    return untold('the Origin of the page that called was not recorded');
  return null;
}

function untold(why: string): Extract<Replayed, { told: false }> {
  return { told: false, why };
}

/** As much of the request as was recorded. */
function requestOf(row: DecisionRow): AuthRequest {
  return {
    method: row.method,
    target: row.path,
    path: row.path,
    service: row.service,
    authority: '',
    protocol: 'http',
    remoteAddress: row.clientAddress,
    requestId: row.requestId,
    fields: () => [],
    bodyPresence: 'unseen',
    body: () => Promise.reject(new BodyError('body_unavailable', 'bodies are not recorded')),
  };
}
