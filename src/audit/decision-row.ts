import type { Decision } from '../core/decision.ts';
import type { AuthRequest } from '../core/request.ts';
import type { DecisionRow } from '../core/store.ts';
import { withoutOwnKeys } from '../core/text/without-keys.ts';
import type { Denied, Verdict } from '../core/verdict.ts';

/** As much as is known of a request that could not be read as an AuthRequest. */
export interface RefusedRequest {
  readonly method: string;
  readonly path: string;
  readonly service: string;
  readonly remoteAddress: string;
  readonly requestId: string;
}

/** Characters kept of what a caller may choose freely: evidence must not grow with the request. */
const pathMax = 2048;
const textMax = 256;
const noteMax = 1024;
/** Of a path or a note where nobody is proven: whoever may write without a name is to write little. */
const strangerMax = 256;

/** One decision as it is kept. `time`: epoch seconds. */
export function decisionRow(decision: Decision, request: AuthRequest, time: number): DecisionRow {
  const { verdict, route } = decision;
  const allowed = verdict?.allowed ? verdict : null;
  const denied = verdict && !verdict.allowed ? verdict : null;
  const principal = principalOf(verdict);
  return {
    time,
    outcome: decision.outcome,
    reason: denied ? denied.reason : '',
    note: denied ? noteOf(denied, maxFor(principal, noteMax)) : '',
    mode: decision.mode,
    service: bounded(request.service, textMax),
    route: route.label,
    method: bounded(request.method, textMax),
    path: bounded(request.path, maxFor(principal, pathMax)),
    principal,
    claimed: claimedOf(denied),
    scheme: allowed ? allowed.principal.scheme : (denied?.scheme ?? ''),
    credentialId: bounded(allowed ? allowed.principal.credentialId : (denied?.credentialId ?? ''), textMax),
    clientAddress: bounded(request.remoteAddress, textMax),
    skewSeconds: verdict ? verdict.skewSeconds : null,
    durationMicros: decision.durationMicros,
    requestId: bounded(request.requestId, textMax),
  };
}

/**
 * A refusal that no guard decided on, as it is kept: refused outright, whatever the modes say. `decision`: by which the request
 * had been let pass before, if one was made. Who was allowed is named here too; who was not is named by that decision alone, or
 * the failures of a service could be made by anybody.
 */
export function refusedRow(
  denied: Denied,
  request: RefusedRequest,
  time: number,
  decision: Decision | null = null,
): DecisionRow {
  const mark = request.path.indexOf('?');
  const target = mark === -1 ? request.path : request.path.slice(0, mark);
  // An absolute target (http://name:password@host/) is refused, and its password with it.
  const path = target.startsWith('/') ? target : target.replace(/^([^/]*\/\/)[^/]*@/, '$1…@');
  const allowed = decision?.verdict?.allowed === true ? decision.verdict.principal : null;
  const principal = allowed?.id ?? principalOf(denied);
  return {
    time,
    outcome: 'deny',
    reason: denied.reason,
    note: noteOf(denied, maxFor(principal, noteMax)),
    mode: 'enforce',
    service: bounded(request.service, textMax),
    route: decision?.route.label ?? '',
    method: bounded(request.method, textMax),
    path: bounded(path, maxFor(principal, pathMax)),
    principal,
    claimed: claimedOf(denied),
    scheme: allowed?.scheme ?? denied.scheme ?? '',
    credentialId: bounded(allowed?.credentialId ?? denied.credentialId ?? '', textMax),
    clientAddress: bounded(request.remoteAddress, textMax),
    skewSeconds: denied.skewSeconds,
    durationMicros: 0,
    requestId: bounded(request.requestId, textMax),
  };
}

function maxFor(principal: string, usual: number): number {
  return principal === '' ? strangerMax : usual;
}

function principalOf(verdict: Verdict | null): string {
  if (!verdict) return '';
  if (verdict.allowed) return verdict.principal.id;
  return verdict.caller?.proven ? verdict.caller.id : '';
}

/** A claim comes from the wire, so it is cut; it may be anything. */
function claimedOf(denied: Denied | null): string {
  if (!denied?.caller || denied.caller.proven) return '';
  const key = keyForName(denied);
  return bounded(key === null ? denied.caller.id : `service:${shortened(key)}`, textMax);
}

/** A note may name who was claimed to call. */
function noteOf(denied: Denied, lengthMax: number): string {
  const key = keyForName(denied);
  return bounded(key === null ? denied.note : denied.note.replaceAll(key, shortened(key)), lengthMax);
}

/**
 * What stands in place of a service's name and is a key: keys that were not made here are usually so many hexadecimal digits, and no
 * name is. A caller that mixes up its two settings must not have its key in the log.
 */
function keyForName({ caller }: Denied): string | null {
  return caller && !caller.proven ? (/^service:([0-9A-Fa-f]{32,})$/.exec(caller.id)?.[1] ?? null) : null;
}

function shortened(key: string): string {
  return `${key.slice(0, 4)}…`;
}

/** Of a key that its holder put in the wrong place (a path, a service id) only the public part is kept. */
export function bounded(text: string, lengthMax: number): string {
  const shown = text.includes('cs_') ? withoutOwnKeys(text) : text;
  return shown.length <= lengthMax ? shown : `${shown.slice(0, lengthMax - 1)}…`;
}
