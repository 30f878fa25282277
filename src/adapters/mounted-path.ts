import type { IncomingMessage } from 'node:http';

/** A request as node:http received it, with what frameworks say of where a middleware stands. */
export interface MountedMessage extends IncomingMessage {
  /** Express: the path up to where the guard is mounted. */
  readonly baseUrl?: string;
  /** Express, Connect, and what follows them: what the client sent. Fastify has it where it rewrote the path. */
  readonly originalUrl?: string;
  /** Connect, and what follows it: that it has taken the path apart. */
  readonly _parsedUrl?: unknown;
}

type Places = Pick<MountedMessage, 'url' | 'baseUrl' | 'originalUrl' | '_parsedUrl'>;

/**
 * The target by which the whole application routes, as rules are written. Express takes the mount off `url` and keeps it in
 * `baseUrl`; Connect and Polka keep it nowhere, so that only what the client sent has all of it. A path that was rewritten is
 * what counts: so where Fastify did it, and where `url` is no end of what the client sent.
 */
export function mountedPath({ url = '', baseUrl, originalUrl, _parsedUrl: parsed }: Places): string {
  if (baseUrl !== undefined) return baseUrl + url;
  if (originalUrl === undefined || parsed === undefined) return url;
  return isLeftOf(originalUrl, url) ? originalUrl : url;
}

/**
 * Whether this is what a mount leaves of a target: all of its query, and the end of its path. Looked for at the end of the whole, it
 * could stand in a query that the client made up for it.
 */
function isLeftOf(target: string, url: string): boolean {
  const [[whole, query], [path, rest]] = [inParts(target), inParts(url)];
  if (rest !== query) return false;
  // Where the mount ends at no slash, one is left that the client did not send: '/' of '/mcp', '/.json' of '/mcp.json'.
  return /^\/?$/.test(path) || whole.endsWith(path.startsWith('/.') ? path.slice(1) : path);
}

/** Path and query, the latter with its question mark. */
function inParts(target: string): readonly [path: string, query: string] {
  const mark = target.indexOf('?');
  return mark === -1 ? [target, ''] : [target.slice(0, mark), target.slice(mark)];
}
