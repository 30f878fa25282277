/** What may be sent again, and when. */

/** RFC 9110 §9.2.2: sending it twice means the same as sending it once. */
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE']);
/** The request never left: any method may try again. */
const neverSent = new Set(['ECONNREFUSED', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT']);
/** The same while connecting; on a connection that stood they are how it broke (tcp(7), after retransmissions). */
const unreachable = new Set(['EHOSTUNREACH', 'ENETUNREACH']);
/** The connection broke, and nobody knows how far the request came. */
const brokenOff = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);
const momentary = new Set([429, 502, 503, 504]);

const backOffMillis = 200;
const backOffMillisMax = 5000;
/** Whoever asks for a longer pause is given its answer instead: the caller knows better what to do meanwhile. */
const retryAfterMillisMax = 10_000;

function isIdempotent(method: string): boolean {
  return idempotent.has(method);
}

/** Whether a request that failed on the way may be sent again. */
export function mayRetryError(error: unknown, method: string): boolean {
  const { code, whileConnecting } = causeOf(error);
  if (neverSent.has(code) || (unreachable.has(code) && whileConnecting)) return true;
  return (brokenOff.has(code) || unreachable.has(code)) && isIdempotent(method);
}

/** How long to wait before sending again after this answer, milliseconds; null: not to be sent again. */
export function pauseAfter(response: Response, method: string, retry: number, now: number): number | null {
  if (!momentary.has(response.status) || !isIdempotent(method)) return null;
  const asked = retryAfterMillis(response.headers.get('retry-after'), now);
  if (asked === null) return response.status === 429 ? null : backOff(retry);
  // A little more than asked for, so that all who were told the same do not come back at the same moment.
  return asked > retryAfterMillisMax ? null : asked + backOff(0);
}

/** Exponential with full jitter: a random part of a bound that doubles, so that callers spread out. */
export function backOff(retry: number): number {
  return Math.random() * Math.min(backOffMillisMax, backOffMillis * 2 ** retry);
}

/** RFC 9110 §5.6.7. What else Date.parse takes for a date, "-1" among it, is none. */
const httpDate = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/;

/** RFC 9110 §10.2.3: seconds, or a date. Null when there is none that can be read. */
export function retryAfterMillis(field: string | null, now: number): number | null {
  if (field === null) return null;
  if (/^[0-9]{1,9}$/.test(field)) return Number(field) * 1000;
  const date = httpDate.test(field) ? Date.parse(field) : Number.NaN;
  return Number.isNaN(date) ? null : Math.max(0, date - now * 1000);
}

/** fetch hides the system's code behind a TypeError; several addresses behind an AggregateError. */
function causeOf(error: unknown): { readonly code: string; readonly whileConnecting: boolean } {
  for (let at = error, depth = 0; at instanceof Error && depth < 4; depth += 1) {
    // Only connecting asks several addresses.
    const several = at instanceof AggregateError;
    if ('code' in at && typeof at.code === 'string')
      return { code: at.code, whileConnecting: several || ('syscall' in at && at.syscall === 'connect') };
    const inner: unknown = several ? (at as AggregateError).errors[0] : undefined;
    at = at.cause ?? inner;
  }
  return { code: '', whileConnecting: false };
}
