/**
 * Marks a question about a request instead of the request itself: the gateway judges and records it like any other, and then
 * answers by itself. A marked request never reaches a service, whoever sends it and whatever the mode, so the header gives
 * nobody anything: all that it can do is to keep its own sender out.
 */
export const PROBE_HEADER = 'x-countersign-probe';

/**
 * Beside the mark: the secret of a run, by which an operator is known who asks. Only such a question is evidence of nothing:
 * could anybody ask one, whoever tries keys that were stolen would leave no trace where operators look.
 */
export const PROBE_RUN_HEADER = 'x-countersign-probe-run';

const namePattern = /^[A-Za-z0-9][A-Za-z0-9-]{0,55}$/;

/** Request ids of marked requests begin so: they are told apart in the evidence. */
const markedPrefix = 'probe-';
/** Of what an operator asks. Nobody can bring such an id along: what is taken from the wire has no colon. */
const operatorPrefix = 'probe:';

/** Null where the header does not hold one name of letters, digits and dashes. */
export function probeName(lines: readonly string[]): string | null {
  const [name] = lines;
  return lines.length === 1 && name !== undefined && namePattern.test(name) ? name : null;
}

/** The id under which a marked request is recorded. */
export function probeRequestId(name: string, asks: 'operator' | 'anybody'): string {
  return (asks === 'operator' ? operatorPrefix : markedPrefix) + name;
}

/** Whether what was recorded under this id is an operator's question, and nothing that a caller did. */
export function isOperatorProbe(requestId: string): boolean {
  return requestId.startsWith(operatorPrefix);
}
