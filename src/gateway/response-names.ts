/** What becomes of a header of the upstream's response. */
export type ResponseKind =
  | 'pass'
  /** Belongs to one connection (RFC 9110 §7.6.1). */
  | 'hop'
  | 'connection'
  | 'transfer-encoding'
  | 'content-length'
  | 'set-cookie';

export interface ResponseName {
  /** As it was spelled. */
  readonly text: string;
  readonly kind: ResponseKind;
}

const KINDS: ReadonlyMap<string, ResponseKind> = new Map([
  ['connection', 'connection'],
  ['transfer-encoding', 'transfer-encoding'],
  ['content-length', 'content-length'],
  ['set-cookie', 'set-cookie'],
  ['keep-alive', 'hop'],
  ['proxy-connection', 'hop'],
  ['proxy-authenticate', 'hop'],
  ['te', 'hop'],
  ['trailer', 'hop'],
  ['upgrade', 'hop'],
]);

const usualSpellings: readonly string[] = (
  'Date Server Connection Keep-Alive Content-Type Content-Length Content-Encoding Transfer-Encoding Vary Cache-Control ' +
  'ETag Etag Last-Modified Set-Cookie X-Request-Id X-Powered-By'
).split(' ');

interface Usual extends ResponseName {
  readonly bytes: Buffer;
}

/** By length. */
const usual: Usual[][] = [];
for (const text of new Set(usualSpellings.flatMap((name) => [name, name.toLowerCase()])))
  (usual[text.length] ??= []).push({ text, kind: kindOf(text), bytes: Buffer.from(text, 'latin1') });

/** A header's name from its bytes. The usual spellings are recognised by these: making a string costs several times more. */
export function responseName(raw: Buffer): ResponseName {
  const candidates = usual[raw.length];
  if (candidates !== undefined) for (const name of candidates) if (equal(name.bytes, raw)) return name;
  const text = raw.toString('latin1');
  return { text, kind: kindOf(text) };
}

/** For a few bytes a loop is faster than a call into the runtime. */
function equal(a: Buffer, b: Buffer): boolean {
  for (let index = 0; index < a.length; index += 1) if (a[index] !== b[index]) return false;
  return true;
}

function kindOf(name: string): ResponseKind {
  return KINDS.get(name.toLowerCase()) ?? 'pass';
}
