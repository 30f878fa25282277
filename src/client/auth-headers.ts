import { systemClock, type Clock } from '../core/clock.ts';
import { addressOf, baseOf } from './address.ts';
import { prover, type ServiceCredential } from './credential.ts';
import { provenHeaders, type HeaderRequest } from './proven-headers.ts';

/** What `authHeaders` is told beside the credential. */
export interface AuthHeadersOptions {
  /** Requests may then name a path only, and the credential is made for no other origin. */
  readonly baseUrl?: string | URL;
  /** Epoch seconds; the system's unless given. */
  readonly clock?: Clock;
}

/**
 * For HTTP clients that are neither fetch nor undici: a function that gives the fields to add to one request. It follows a key
 * file, and corrects no clock, since it sees no answers. Throws as createServiceClient does.
 */
export function authHeaders(
  credential: ServiceCredential,
  { baseUrl, clock = systemClock }: AuthHeadersOptions = {},
): (request: HeaderRequest) => Promise<Record<string, string>> {
  const base = baseUrl === undefined ? null : baseOf(baseUrl);
  const proof = prover(credential);
  return (request) => provenHeaders(proof, request, addressOf(String(request.url), base), Math.floor(clock()));
}
