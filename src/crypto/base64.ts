/**
 * The bytes of canonical base64 (RFC 4648 §3.5, §4): what they would be written as again. Null for anything else, so that two
 * texts never mean the same bytes.
 */
export function canonicalBase64(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : null;
}
