import type { Clock } from '../../core/clock.ts';
import { lifeFault, type Keyring, type LifeFault, type MacKey, type MacKeyEntry } from '../../core/credential.ts';
import type { MaybePromise } from '../../core/maybe-promise.ts';
import type { AuthRequest } from '../../core/request.ts';
import type { Scheme } from '../../core/scheme.ts';
import { allow, deny, denyPrincipal, type Denied, type Principal, type Verdict } from '../../core/verdict.ts';
import { equalText } from '../../crypto/compare.ts';
import { hmacSha256 } from '../../crypto/hmac.ts';
import { randomSecret } from '../../crypto/random.ts';
import { quotedString, realm } from '../bearer-challenge.ts';
import {
  idHeader,
  isServiceId,
  pathLengthOf,
  pathOfTarget,
  secondsOf,
  signatureFault,
  signatureHeader,
  signatureMessage,
  timestampFault,
  timestampHeader,
} from './format.ts';
import { messageLength, writeMessage, type Signed } from './signed-bytes.ts';

const name = 'service-signature';

/** Equal calls within a second have equal signatures, so 'all' refuses the second of them: 'off' is the usual. */
export type ReplayCheck = 'off' | 'unsafe-methods' | 'all';

export interface ServiceSignatureOptions {
  readonly keyring: Keyring;
  readonly clock: Clock;
  /** How far a timestamp may be from our clock, either way, both edges included. */
  readonly windowSeconds: number;
  readonly replay: ReplayCheck;
  /** True for exactly one caller per key until `expiresAt` (epoch seconds). Not called where replay is 'off'. */
  readonly once: (key: string, expiresAt: number) => Promise<boolean>;
}

/** The three fields, in their right shape but for the signature, and what they are said to sign. */
interface Claim extends Signed {
  readonly signature: string;
  /** Of the timestamp. */
  readonly seconds: number;
}

/**
 * HMAC-SHA-256 over `<service_id>:<METHOD>:<path>:<timestamp>`, for services already deployed. Neither body nor query is
 * covered. Checked in the order of cost and harm: shape, time, secret, life, replay; so a forger cannot burn a signature
 * that belongs to someone else.
 */
export function serviceSignature(options: ServiceSignatureOptions): Scheme {
  const { keyring, clock, windowSeconds, replay, once } = options;
  if (!(windowSeconds > 0)) throw new TypeError('the timestamp window must be a positive number of seconds');
  // An unknown service costs the same work as a wrong signature, so that ids cannot be found by timing.
  const nobody = hmacSha256(randomSecret(32));

  function judge(request: AuthRequest, claim: Claim): MaybePromise<Verdict> {
    const now = clock();
    // Both clocks in whole seconds: the caller cut off its fraction too.
    const skewSeconds = claim.seconds - Math.floor(now);
    const keys = keyring.macKeys(claim.serviceId);
    if (keys.length === 0) equalText(macOf(nobody, claim), claim.signature);
    const proof = prove(keys, claim, now);
    // What equals an HMAC in hex is in the right form.
    const macFault = proof === null ? signatureFault(claim.signature) : null;
    if (macFault !== null) return malformed(`X-Service-Signature ${macFault}`, [claim.serviceId]);
    if (Math.abs(skewSeconds) > windowSeconds) return outsideWindow(claim, skewSeconds, windowSeconds, proof);
    if (keys.length === 0)
      return refuse('unknown_service', `no service key of ${claim.serviceId} is known here`, claim);
    if (proof === null) return refuse('invalid_signature', mismatchNote(claim, keys.length), claim);
    const { principal, fault } = proof;
    if (fault !== null) {
      const note = `the signature is made with a key of ${claim.serviceId} that ${fault === 'revoked' ? 'was revoked' : 'has expired'}`;
      return denyPrincipal(principal, fault, note, { presentedAs: 'signature', skewSeconds });
    }
    if (replay === 'off' || (replay === 'unsafe-methods' && isSafe(request.method)))
      return allow(principal, skewSeconds);
    // The last second of the window belongs to it, so the signature is remembered until that second is over.
    const expiresAt = claim.seconds + windowSeconds + 1;
    return once(`${claim.serviceId}:${claim.signature}`, expiresAt).then((first) => {
      if (first) return allow(principal, skewSeconds);
      const note = `this signature of ${claim.serviceId} was used before; equal calls need another second or http-signature`;
      return denyPrincipal(principal, 'replayed', note, { presentedAs: 'signature', skewSeconds });
    });
  }

  return {
    name,
    authenticate(request) {
      const ids = request.fields(idHeader);
      const signatures = request.fields(signatureHeader);
      const timestamps = request.fields(timestampHeader);
      const count = ids.length + signatures.length + timestamps.length;
      if (count === 0) return null;
      if (ids.length !== 1 || signatures.length !== 1 || timestamps.length !== 1)
        return malformed(countNote(ids.length, signatures.length, timestamps.length), ids);
      const serviceId = ids[0] as string;
      const signature = signatures[0] as string;
      const timestamp = timestamps[0] as string;
      if (!isServiceId(serviceId)) return malformed('X-Service-ID is no service id', ids);
      const seconds = secondsOf(timestamp);
      if (seconds === null) return malformed(`X-Service-Timestamp ${timestampFault(timestamp)}`, ids);
      const { method, target } = request;
      const pathLength = pathLengthOf(target);
      return judge(request, { serviceId, signature, timestamp, seconds, method, target, pathLength });
    },
    challenge: () => challenge,
  };
}

const challenge = `ServiceSignature realm=${quotedString(realm)}, headers=${quotedString(`${idHeader} ${signatureHeader} ${timestampHeader}`)}`;

function macOf(key: MacKey, claim: Claim): string {
  return key.hexOf(claim, messageLength(claim), writeMessage);
}

interface Proof {
  readonly principal: Principal;
  readonly fault: LifeFault | null;
}

/** During rotation a service has several keys: a live one that verifies wins over a dead one that does. */
function prove(keys: readonly MacKeyEntry[], claim: Claim, now: number): Proof | null {
  let proof: Proof | null = null;
  for (const entry of keys) {
    if (!equalText(macOf(entry.key, claim), claim.signature)) continue;
    const fault = lifeFault(entry, now);
    if (fault === null) return { principal: entry.principal, fault };
    proof ??= { principal: entry.principal, fault };
  }
  return proof;
}

function isSafe(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS';
}

/** A clock that is off is the commonest fault of all: name the caller as proven where the signature is right. */
function outsideWindow(claim: Claim, skewSeconds: number, windowSeconds: number, proof: Proof | null): Denied {
  const direction = skewSeconds < 0 ? 'behind' : 'ahead of';
  const note = `the timestamp of ${claim.serviceId} is ${Math.abs(skewSeconds)} s ${direction} our clock, the window is ${windowSeconds} s: set the clocks (NTP)`;
  if (proof === null) return refuse('timestamp_outside_window', note, claim);
  return denyPrincipal(proof.principal, 'timestamp_outside_window', note, { presentedAs: 'signature', skewSeconds });
}

function mismatchNote({ serviceId, method, target, timestamp }: Claim, keyCount: number): string {
  const keys = keyCount === 1 ? '' : ` with any of its ${keyCount} keys`;
  const signed = signatureMessage(serviceId, method, pathOfTarget(target), timestamp);
  const message = signed.length > 512 ? `${signed.slice(0, 512)}…` : signed;
  return `the signature is not that of ${serviceId}${keys} for "${message}"`;
}

function countNote(ids: number, signatures: number, timestamps: number): string {
  const faults: string[] = [];
  for (const [field, count] of [
    ['X-Service-ID', ids],
    ['X-Service-Signature', signatures],
    ['X-Service-Timestamp', timestamps],
  ] as const) {
    if (count === 0) faults.push(`${field} is missing`);
    if (count > 1) faults.push(`more than one ${field} line`);
  }
  return faults.join(', ');
}

function malformed(note: string, ids: readonly string[]): Denied {
  const id = ids.length === 1 && isServiceId(ids[0] as string) ? ids[0] : null;
  const caller = id ? { id: `service:${id}`, proven: false } : null;
  return deny('malformed_credentials', note, { presentedAs: 'signature', scheme: name, caller });
}

function refuse(
  reason: 'unknown_service' | 'invalid_signature' | 'timestamp_outside_window',
  note: string,
  claim: Claim,
): Denied {
  const caller = { id: `service:${claim.serviceId}`, proven: false };
  // A time that is off is wrong whatever the key.
  const mayBeNew = reason !== 'timestamp_outside_window';
  return deny(reason, note, { presentedAs: 'signature', scheme: name, caller, mayBeNew });
}
