/**
 * The request target, read once. Whatever two programs could read differently is refused rather than repaired: the widest
 * hole in prefix rules is a path that the guard and the upstream understand in two ways.
 */
export interface ParsedTarget {
  readonly ok: true;
  /** Normalised path (RFC 3986 §6.2.2: unreserved characters decoded, hex digits in upper case). */
  readonly path: string;
  /** The query with its question mark, exactly as received; '' when there is none. */
  readonly query: string;
}

export interface RefusedTarget {
  readonly ok: false;
  readonly note: string;
}

const targetLengthMax = 16_384;

// One pass for the usual case: printable ASCII without what the slow path looks at more closely.
const plainPath = /^(?:\/(?:[A-Za-z0-9_~!$&'()*+,=:@-][A-Za-z0-9._~!$&'()*+,=:@-]*)?)+$/;

export function parseTarget(target: string): ParsedTarget | RefusedTarget {
  if (target.length > targetLengthMax) return refuse('the target is longer than 16,384 characters');
  const mark = target.indexOf('?');
  const rawPath = mark === -1 ? target : target.slice(0, mark);
  const query = mark === -1 ? '' : target.slice(mark);
  // eslint-disable-next-line no-control-regex
  if (query !== '' && !/^[\x21-\x22\x24-\x7e]*$/.test(query))
    return refuse('the query holds a fragment, a control character or raw non-ASCII bytes');
  if (plainPath.test(rawPath) && !rawPath.includes('//')) return { ok: true, path: rawPath, query };
  return normalise(rawPath, query);
}

function normalise(rawPath: string, query: string): ParsedTarget | RefusedTarget {
  if (!rawPath.startsWith('/'))
    return refuse('the target must begin with a slash (absolute and asterisk forms are refused)');
  if (!/^[\x21-\x7e]*$/.test(rawPath))
    return refuse('the path holds a control character, a space or raw non-ASCII bytes');
  if (/[#\\]/.test(rawPath)) return refuse('the path holds a fragment or a backslash');
  if (rawPath.includes('//')) return refuse('the path holds an empty segment (//)');
  if (/%(?![0-9A-Fa-f]{2})/.test(rawPath)) return refuse('the path holds a broken percent-encoding');
  if (/%(?:2f|5c|00|3b|23|3f)/i.test(rawPath))
    return refuse('the path holds an encoded slash, backslash, semicolon, question mark, number sign or NUL');
  if (/%(?:[01][0-9a-f]|7f)/i.test(rawPath)) return refuse('the path holds an encoded control character');
  // Servlet containers drop ';…' before they map a path, others do not: the two would judge different paths.
  if (rawPath.includes(';'))
    return refuse('the path holds a semicolon (path parameters are read differently by different servers)');
  const path = rawPath.replace(/%[0-9A-Fa-f]{2}/g, (escape) => {
    const char = String.fromCharCode(Number.parseInt(escape.slice(1), 16));
    return /[A-Za-z0-9._~-]/.test(char) ? char : escape.toUpperCase();
  });
  // Asked of the decoded path: in %25%32e only decoding brings the %252e together.
  if (/%25(?:25)*[0-9a-f]{2}/i.test(path)) return refuse('the path is percent-encoded twice');
  if (/\/\.{1,2}(?:\/|$)/.test(path)) return refuse('the path holds a dot segment');
  if (!utf8Escapes(path)) return refuse('the path is not percent-encoded UTF-8');
  return { ok: true, path, query };
}

function utf8Escapes(path: string): boolean {
  if (!path.includes('%')) return true;
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}

/**
 * The form in which routes are compared: characters that servers read alike with and without percent-encoding
 * (`%3A` and `:`) are one, so that a rule cannot be side-stepped by encoding a letter of it.
 */
export function routeKey(path: string): string {
  if (!path.includes('%')) return path;
  return path.replace(/%([0-9A-F]{2})/g, (escape, hex: string) => {
    const code = Number.parseInt(hex, 16);
    return code > 0x20 && code < 0x7f && code !== 0x25 ? String.fromCharCode(code) : escape;
  });
}

function refuse(note: string): RefusedTarget {
  return { ok: false, note };
}
