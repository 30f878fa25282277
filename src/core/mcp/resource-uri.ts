import { folded } from './messages.ts';

/** Where '..' or an encoded slash is resolved, a name below an allowed folder leads out of it. */
export function isAmbiguousUri(uri: string): boolean {
  return /(?:^|[/\\])\.{1,2}(?:$|[/\\?#])|\\|%2e|%2f|%5c|%25/i.test(uri) || !/^[\x21-\x7e]*$/.test(uri);
}

/**
 * What a server may find under a URI, each as `looseUri` has it: the official SDKs look a resource up by what the URL parser makes
 * of it (`file:/a` is `file:///a`), and a file is found whatever stands behind a question mark.
 */
export function readingsOf(uri: string): readonly string[] {
  const parsed = URL.parse(uri);
  // Who asks makes no difference to what is asked for.
  if (parsed !== null) [parsed.username, parsed.password] = ['', ''];
  const whole = [uri, ...(parsed === null ? [] : [parsed.href])];
  const bare = whole.map((text) => text.replace(/[?#].*$/, ''));
  const found = [...whole, ...bare].map(looseUri);
  return [...new Set([...found, ...found.map((text) => text.replace(/\/$/, ''))])];
}

/** A URI, or a glob for some, without what servers take for no difference: encoding, case, slashes in a row. */
export function looseUri(uri: string): string {
  return folded(decoded(uri)).replace(/\/{2,}/g, '/');
}

/** As it reads once what is percent-encoded in it is not. */
export function decoded(uri: string): string {
  try {
    return decodeURIComponent(uri);
  } catch {
    // What is no UTF-8 as a whole may still name in it what is denied.
    return uri.replace(/%[2-7][0-9a-f]/gi, (escape) => String.fromCharCode(Number.parseInt(escape.slice(1), 16)));
  }
}
