import { bySpelling } from './by-spelling.ts';

/** What becomes of a header of the upstream's response. */
export type ResponseKind =
  | 'pass'
  /** Belongs to one connection (RFC 9110 §7.6.1). */
  | 'hop'
  | 'connection'
  | 'location'
  | 'set-cookie';

const KINDS: ReadonlyMap<string, ResponseKind> = new Map([
  ['connection', 'connection'],
  ['location', 'location'],
  ['set-cookie', 'set-cookie'],
  ['transfer-encoding', 'hop'],
  ['keep-alive', 'hop'],
  ['proxy-connection', 'hop'],
  ['proxy-authenticate', 'hop'],
  ['te', 'hop'],
  ['trailer', 'hop'],
  ['upgrade', 'hop'],
]);

/** The kind of a header by its name as it was spelled. */
export const responseKind: (name: string) => ResponseKind = bySpelling(
  (name) => KINDS.get(name.toLowerCase()) ?? 'pass',
);
