const idLengthMax = 128;
const first = 1;
const following = 2;
/** By ASCII code: where in a service id a character may stand. */
const placesInId = Uint8Array.from({ length: 128 }, (_, code) => {
  const character = String.fromCharCode(code);
  return (/[A-Za-z0-9]/.test(character) ? first : 0) | (/[A-Za-z0-9._-]/.test(character) ? following : 0);
});

/**
 * A letter or digit, then up to 127 letters, digits, dots, underscores and hyphens. No colon, so that the signed message can be
 * read in one way only. By hand: an expression costs a twentieth of verifying.
 */
export function isServiceId(text: string): boolean {
  const { length } = text;
  if (length === 0 || length > idLengthMax) return false;
  for (let index = 0, place = first; index < length; index += 1, place = following)
    if (((placesInId[text.charCodeAt(index)] ?? 0) & place) === 0) return false;
  return true;
}

export const idHeader = 'x-service-id';
export const signatureHeader = 'x-service-signature';
export const timestampHeader = 'x-service-timestamp';

const zero = 0x30;
const timestampDigits = 12;

/** What is signed. The path is the one on the request line, without the query; the timestamp is in whole Unix seconds. */
export function signatureMessage(serviceId: string, method: string, path: string, timestamp: string | number): string {
  return `${serviceId}:${method}:${path}:${timestamp}`;
}

/** The path as it stands on the request line: nothing is decoded, since the caller signed what it sent. */
export function pathOfTarget(target: string): string {
  return target.slice(0, pathLengthOf(target));
}

/** Characters of the target up to its query. */
export function pathLengthOf(target: string): number {
  const mark = target.indexOf('?');
  return mark === -1 ? target.length : mark;
}

/** The seconds of a timestamp as signers write it; null for anything else. By hand, in half the time of an expression and Number(). */
export function secondsOf(text: string): number | null {
  const { length } = text;
  if (length === 0 || length > timestampDigits) return null;
  let seconds = 0;
  for (let index = 0; index < length; index += 1) {
    const digit = text.charCodeAt(index) - zero;
    if (digit < 0 || digit > 9) return null;
    seconds = seconds * 10 + digit;
  }
  return length > 1 && text.charCodeAt(0) === zero ? null : seconds;
}

/** Null when the text is a timestamp as signers write it; otherwise what is wrong with it. */
export function timestampFault(text: string): string | null {
  if (secondsOf(text) !== null) return null;
  if (/^[1-9][0-9]{12,}$/.test(text)) return 'has more than 12 digits: send whole seconds, not milliseconds';
  return /^[0-9]+\.[0-9]*$/.test(text)
    ? 'has a fraction: send whole seconds'
    : 'is not a plain whole number of Unix seconds';
}

/** Null when the text is a signature as signers write it; otherwise what is wrong with it. */
export function signatureFault(text: string): string | null {
  // Looking for what is wrong is twice as fast as counting what is right.
  if (text.length === 64 && !/[^0-9a-f]/.test(text)) return null;
  if (/^[0-9A-Fa-f]{64}$/.test(text)) return 'is in upper-case hex: write it in lower case';
  if (/^[A-Za-z0-9+/_-]{43}=?$/.test(text)) return 'looks like base64: write it as 64 lower-case hex characters';
  return `is not 64 lower-case hex characters (it has ${text.length} characters)`;
}
