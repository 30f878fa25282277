/** What becomes of a header of the upstream's response. */
export type ResponseKind =
  | 'pass'
  /** Belongs to one connection (RFC 9110 §7.6.1). */
  | 'hop'
  | 'connection'
  | 'set-cookie';

const KINDS: ReadonlyMap<string, ResponseKind> = new Map([
  ['connection', 'connection'],
  ['set-cookie', 'set-cookie'],
  ['transfer-encoding', 'hop'],
  ['keep-alive', 'hop'],
  ['proxy-connection', 'hop'],
  ['proxy-authenticate', 'hop'],
  ['te', 'hop'],
  ['trailer', 'hop'],
  ['upgrade', 'hop'],
]);

const remembered = new Map<string, ResponseKind>();
const rememberedMax = 1024;

/** The kind of a header by its name as it was spelled. Usual spellings are remembered, so that most cost one look-up. */
export function responseKind(name: string): ResponseKind {
  const known = remembered.get(name);
  if (known !== undefined) return known;
  const kind = KINDS.get(name.toLowerCase()) ?? 'pass';
  if (remembered.size >= rememberedMax) remembered.clear();
  if (name.length <= 64) remembered.set(name, kind);
  return kind;
}
