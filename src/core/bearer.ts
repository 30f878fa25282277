import type { AuthRequest } from './request.ts';

/** What the Authorization and x-api-key fields hold, read once and the same by everyone. */
export type Presented =
  | { readonly kind: 'none' }
  | { readonly kind: 'malformed'; readonly note: string }
  | { readonly kind: 'bearer' | 'x-api-key'; readonly value: string }
  /** An access token that is bound to a key (RFC 9449 §7.1). */
  | { readonly kind: 'dpop'; readonly value: string };

const NONE: Presented = { kind: 'none' };
const valueLengthMax = 8192;
// Patterns, since they read a header several times faster than a loop over its characters.
const bearerName = /^bearer ./i;
const dpopName = /^dpop ./i;
const unusual = /[^\x21-\x7e]/;

/**
 * RFC 6750 §2.1, scheme name in any case. Duplicate lines of one credential field, and an x-api-key and a Bearer that
 * differ, are malformed: two readers could each believe another one. Where the two agree the Bearer counts.
 * With authorization 'upstream' the Authorization field is not ours and is not read.
 */
export function presented(request: AuthRequest, authorization: 'ours' | 'upstream'): Presented {
  const bearer = authorization === 'ours' ? fromAuthorization(request.fields('authorization')) : NONE;
  if (bearer.kind === 'malformed') return bearer;
  const lines = request.fields('x-api-key');
  if (lines.length === 0) return bearer;
  if (lines.length > 1) return malformed('more than one x-api-key line');
  const value = lines[0] as string;
  const fault = valueFault(value);
  if (fault) return malformed(`the x-api-key ${fault}`);
  if (bearer.kind === 'none') return { kind: 'x-api-key', value };
  return bearer.kind === 'bearer' && bearer.value === value
    ? bearer
    : malformed('x-api-key and Authorization hold different credentials');
}

function fromAuthorization(lines: readonly string[]): Presented {
  if (lines.length === 0) return NONE;
  if (lines.length > 1) return malformed('more than one Authorization line');
  const line = lines[0] as string;
  const isBound = dpopName.test(line);
  if (!isBound && !bearerName.test(line)) return malformed('Authorization is not of the form "Bearer <token>"');
  let from = isBound ? 5 : 7;
  while (line.charCodeAt(from) === 0x20) from += 1;
  const value = line.slice(from);
  const fault = valueFault(value);
  if (fault) return malformed(`the ${isBound ? 'DPoP' : 'Bearer'} token ${fault}`);
  return { kind: isBound ? 'dpop' : 'bearer', value };
}

function valueFault(value: string): string | null {
  if (value === '') return 'is empty';
  if (value.length > valueLengthMax) return `is longer than ${valueLengthMax} characters`;
  return unusual.test(value) ? 'holds a space, a control character or a non-ASCII byte' : null;
}

function malformed(note: string): Presented {
  return { kind: 'malformed', note };
}
