import { connectionOptions } from './header-kinds.ts';
import { callersLocation, type Redirected } from './location.ts';
import { responseKind } from './response-names.ts';
import { setsOwnCookie } from './own-cookies.ts';

export const devHeader = 'X-Countersign-Dev';

/** An upstream's header lines as the client receives them; both flat lists of names and values. */
export function clientHeaders(lines: readonly string[], exchange: Redirected): string[] {
  const headers: string[] = [];
  let connections: string[] | null = null;
  for (let index = 0; index < lines.length; index += 2) {
    const name = lines[index] as string;
    const value = lines[index + 1] as string;
    const kind = responseKind(name);
    if (kind === 'connection') (connections ??= []).push(value);
    else if (kind === 'location') headers.push(name, callersLocation(value, exchange));
    else if (kind === 'pass' || (kind === 'set-cookie' && !setsOwnCookie(value))) headers.push(name, value);
  }
  const options = connections === null ? null : connectionOptions(connections);
  const kept = options === null ? headers : withoutNamed(headers, options);
  if (exchange.context.stack.devMode) kept.push(devHeader, 'unauthenticated');
  return kept;
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
