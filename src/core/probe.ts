/**
 * Marks a question about a request instead of the request itself: the gateway judges and records it like any other, and then
 * answers by itself. A marked request never reaches a service, whoever sends it and whatever the mode, so the header gives
 * nobody anything: all that it can do is to keep its own sender out.
 */
export const PROBE_HEADER = 'x-countersign-probe';

const namePattern = /^[A-Za-z0-9][A-Za-z0-9-]{0,55}$/;

/** Request ids of marked requests begin so: they are told apart in the evidence. */
const idPrefix = 'probe-';

/** The id under which a marked request is recorded; null where the header does not hold one name of letters, digits and dashes. */
export function probeRequestId(lines: readonly string[]): string | null {
  const [name] = lines;
  return lines.length === 1 && name !== undefined && namePattern.test(name) ? idPrefix + name : null;
}
