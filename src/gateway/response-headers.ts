import { connectionOptions } from './header-kinds.ts';
import { responseName } from './response-names.ts';
import { setsSessionCookie } from './session-cookie.ts';

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
    const { text, kind } = responseName(raw[index] as Buffer);
    if (kind === 'hop') continue;
    const value = (raw[index + 1] as Buffer).toString('latin1');
    if (kind === 'connection') (connections ??= []).push(value);
    else if (kind === 'transfer-encoding') encoded = true;
    else if (kind !== 'set-cookie' || !setsSessionCookie(value)) {
      if (kind === 'content-length') lengths += 1;
      headers.push(text, value);
    }
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
