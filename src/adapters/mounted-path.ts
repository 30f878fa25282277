import type { IncomingMessage } from 'node:http';

/** A request as node:http received it, with what frameworks say of where a middleware stands. */
export interface MountedMessage extends IncomingMessage {
  /** Express: the path up to where the guard is mounted. */
  readonly baseUrl?: string;
  /** Express, Connect, and what follows them: what the client sent. */
  readonly originalUrl?: string;
}

/**
 * The target by which the whole application routes, as rules are written. Express takes the mount off `url` and keeps it in
 * `baseUrl`; Connect and Polka keep it nowhere, so that only what the client sent has all of it. Where `url` is no end of
 * that, it was rewritten and not mounted, and is what counts.
 */
export function mountedPath({
  url = '',
  baseUrl,
  originalUrl,
}: Pick<MountedMessage, 'url' | 'baseUrl' | 'originalUrl'>): string {
  if (baseUrl !== undefined) return baseUrl + url;
  if (originalUrl === undefined) return url;
  // Of the mount itself a slash is left, which the client did not send.
  const rest = url.startsWith('/') ? url.slice(1) : url;
  return originalUrl.endsWith(rest) ? originalUrl : url;
}
