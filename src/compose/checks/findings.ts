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
  found.faults.push(placed(place, fault));
}

/** A fault in the words of another room, which says what is wrong, and behind a semicolon what to do. */
export function placed(place: Place, fault: string): Fault {
  const [message = '', ...hints] = fault.split('; ');
  return place.fault(message, hints.join('; '));
}
