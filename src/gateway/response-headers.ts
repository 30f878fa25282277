import { connectionOptions } from './header-kinds.ts';
import { setsSessionCookie } from './session-cookie.ts';

const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Lengths of the names in HOP_BY_HOP, and of set-cookie and content-length: other names are not looked at. */
const LENGTHS: ReadonlySet<number> = new Set(
  [...HOP_BY_HOP, 'set-cookie', 'content-length'].map((name) => name.length),
);

export const devHeader = 'X-Countersign-Dev';

/**
 * An upstream's header lines as the client receives them, flat. Throws where the head is ambiguous about its body
 * (RFC 9112 §6.3): what two readers could frame in two ways is a bad response.
 */
export function clientHeaders(raw: readonly Buffer[], devMode: boolean): string[] {
  const headers: string[] = [];
  let connections: string[] | null = null;
  let lengths = 0;
  let encoded = false;
  for (let index = 0; index < raw.length; index += 2) {
    const name = (raw[index] as Buffer).toString('latin1');
    const value = (raw[index + 1] as Buffer).toString('latin1');
    if (LENGTHS.has(name.length)) {
      const lower = name.toLowerCase();
      if (lower === 'connection') (connections ??= []).push(value);
      if (lower === 'transfer-encoding') encoded = true;
      if (HOP_BY_HOP.has(lower) || (lower === 'set-cookie' && setsSessionCookie(value))) continue;
      if (lower === 'content-length') lengths += 1;
    }
    headers.push(name, value);
  }
  if (lengths > 1 || (lengths === 1 && encoded)) throw new AmbiguousResponse();
  const options = connections === null ? null : connectionOptions(connections);
  const kept = options === null ? headers : withoutNamed(headers, options);
  if (devMode) kept.push(devHeader, 'unauthenticated');
  return kept;
}

export class AmbiguousResponse extends Error {
  readonly code = 'ambiguous_response';
  constructor() {
    super('the upstream framed its response in two ways (Content-Length twice, or beside Transfer-Encoding)');
    this.name = 'AmbiguousResponse';
  }
}

function withoutNamed(headers: readonly string[], names: ReadonlySet<string>): string[] {
  const kept: string[] = [];
  for (let index = 0; index < headers.length; index += 2) {
    const lower = (headers[index] as string).toLowerCase();
    if (lower === 'content-length' || !names.has(lower))
      kept.push(headers[index] as string, headers[index + 1] as string);
  }
  return kept;
}
