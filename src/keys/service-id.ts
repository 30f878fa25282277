import { isServiceId } from '../schemes/service-signature/index.ts';

/** Null when the text may name a service; otherwise what to write instead. The text itself is not repeated. */
export function serviceIdFault(text: string): string | null {
  if (isServiceId(text)) return null;
  return 'a service id is 1 to 128 characters of A-Z a-z 0-9 . _ - and begins with a letter or digit, for example hybrid-coordinator';
}
