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
  // Of the mount itself a slash is left, which the client did not send.
  const rest = url.startsWith('/') ? url.slice(1) : url;
  return originalUrl.endsWith(rest) ? originalUrl : url;
}
