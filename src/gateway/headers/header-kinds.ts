import { CLIENT_ADDRESS_FIELDS } from '../../core/client-address.ts';
import { identityClaims, isIdentityHeader } from '../../core/identity.ts';
import { bySpelling } from './by-spelling.ts';

/** What becomes of a request header on its way upstream. */
export type HeaderKind =
  | 'pass'
  /** Belongs to one connection (RFC 9110 §7.6.1), or is written anew by the client of the upstream. */
  | 'hop'
  | 'connection'
  | 'host'
  | 'content-length'
  | 'forwarded-for'
  | 'forwarded-host'
  | 'forwarded-proto'
  | 'forwarded'
  /** Other words of proxies: X-Forwarded-Port, X-Real-IP and the like. */
  | 'proxy-claim'
  | 'identity'
  /** By which another proxy says who somebody is: Remote-User and the like. */
  | 'identity-claim'
  | 'authorization'
  | 'credential'
  /** Never goes upstream, whatever the mode: the break-glass token. */
  | 'secret'
  | 'cookie'
  | 'request-id'
  /** Names another path, method or caller than what was judged, whoever says so: a framework that obeys it serves somebody else. */
  | 'rewrite';

const KINDS: ReadonlyMap<string, HeaderKind> = new Map([
  ['connection', 'connection'],
  ['keep-alive', 'hop'],
  ['proxy-connection', 'hop'],
  ['proxy-authenticate', 'hop'],
  ['proxy-authorization', 'hop'],
  ['te', 'hop'],
  ['trailer', 'hop'],
  ['transfer-encoding', 'hop'],
  ['upgrade', 'hop'],
  ['http2-settings', 'hop'],
  ['expect', 'hop'],
  ['host', 'host'],
  ['content-length', 'content-length'],
  ['authorization', 'authorization'],
  ['x-api-key', 'credential'],
  ['x-service-id', 'credential'],
  ['x-service-signature', 'credential'],
  ['x-service-timestamp', 'credential'],
  ['signature', 'credential'],
  ['signature-input', 'credential'],
  ['dpop', 'credential'],
  ['cookie', 'cookie'],
  ['x-request-id', 'request-id'],
]);

// As an upstream behind CGI or WSGI would read them: '-', '_' and '.' are one character there.
const LOOSE_KINDS: ReadonlyMap<string, HeaderKind> = new Map([
  ['x-override-token', 'secret'],
  ['forwarded', 'forwarded'],
  ['x-forwarded-for', 'forwarded-for'],
  ['x-forwarded-host', 'forwarded-host'],
  ['x-forwarded-proto', 'forwarded-proto'],
  // Frameworks that look for the client's address believe them, some before X-Forwarded-For.
  ...CLIENT_ADDRESS_FIELDS.map((name) => [name, 'proxy-claim'] as const),
  ['x-countersign-dev', 'secret'],
  ['x-countersign-probe', 'secret'],
  ['x-countersign-probe-run', 'secret'],
  ['x-original-url', 'rewrite'],
  ['x-original-uri', 'rewrite'],
  ['x-original-method', 'rewrite'],
  ['x-rewrite-url', 'rewrite'],
  ['x-http-method-override', 'rewrite'],
  ['x-http-method', 'rewrite'],
  ['x-method-override', 'rewrite'],
]);

/** The kind of a header by its name as it was spelled. */
export const headerKind: (name: string) => HeaderKind = bySpelling((name) => classify(name.toLowerCase()));

function classify(name: string): HeaderKind {
  const exact = KINDS.get(name);
  if (exact !== undefined) return exact;
  if (isIdentityHeader(name)) return 'identity';
  const plain = name.replace(/[_.]/g, '-');
  const loose = LOOSE_KINDS.get(plain);
  // No proxy spells them otherwise; dropped, too, where something is enforced, whoever sends them.
  if (identityClaims.test(plain)) return plain === name ? 'identity-claim' : 'rewrite';
  const claim = loose !== undefined || plain.startsWith('x-forwarded-');
  if (!claim) return 'pass';
  // No proxy writes X_Forwarded_For: such a spelling is the client's, and WSGI would merge it with ours.
  if (plain !== name) return loose === 'rewrite' ? 'rewrite' : 'secret';
  return loose ?? 'proxy-claim';
}

/** The names that Connection lists, lower case; null for the everyday values that list none. */
export function connectionOptions(lines: readonly string[]): ReadonlySet<string> | null {
  if (lines.length === 0) return null;
  if (lines.length === 1 && /^(?:keep-alive|close|upgrade)$/i.test(lines[0] as string)) return null;
  const names = new Set<string>();
  for (const line of lines) for (const name of line.toLowerCase().split(',')) names.add(name.trim());
  return names;
}
