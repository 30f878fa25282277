import { cidrFault } from '../../core/address.ts';
import type { Fault } from '../faults.ts';
import type { Place } from './place.ts';

/** What the checks found. */
export interface Findings {
  readonly faults: Fault[];
  /** Allowed, but likely a slip. */
  readonly warnings: Fault[];
}

export function checkCidr(place: Place, found: Pick<Findings, 'faults'>): void {
  const fault = place.text === null ? null : cidrFault(place.text);
  if (fault === null) return;
  const [message, hint] = fault.split('; ');
  found.faults.push(place.fault(message ?? fault, hint ?? ''));
}
