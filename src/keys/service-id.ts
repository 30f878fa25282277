// CONTRACT §1: no colon, so that the message that service-signature signs is unambiguous.
const serviceId = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** Null when the text may name a service; otherwise what to write instead. The text itself is not repeated. */
export function serviceIdFault(text: string): string | null {
  if (serviceId.test(text)) return null;
  return 'a service id is 1 to 128 characters of A-Z a-z 0-9 . _ - and begins with a letter or digit, for example hybrid-coordinator';
}
