import type { ClientCertificate } from './certificate.ts';

/**
 * One request as every form sees it. Adapters translate into this and decide nothing.
 *
 * `target` is what the client put on the request line; signatures are checked against it.
 * `path` is what is judged and what the upstream receives: normalised (see target.ts) and, behind the gateway, without the
 * service's prefix.
 */
export interface AuthRequest {
  /** As it came: methods tell case apart. */
  readonly method: string;
  /** Path and query as received, the gateway's prefix included. */
  readonly target: string;
  /** Normalised path within the service; always begins with a slash, never holds a query. */
  readonly path: string;
  /** The called service. */
  readonly service: string;
  /** Host as the client named it, lower case, with the port when it was given. */
  readonly authority: string;
  readonly protocol: 'http' | 'https';
  /** The client's address, after trusted proxies were taken off. */
  readonly remoteAddress: string;
  /** By which the log line, the row and the upstream name it. */
  readonly requestId: string;
  /** Of the client's end of the connection; absent or null where there is none, or a proxy stands between. */
  readonly certificate?: ClientCertificate | null;
  /**
   * Whether it is to open another protocol on its connection, a WebSocket say. False where it offers that and is taken for a plain
   * request all the same; absent where whoever asks cannot know.
   */
  readonly upgrades?: boolean;
  /** Field lines in order of arrival, by lower-case name; empty when there is none. */
  fields(name: string): readonly string[];
  /** 'unseen': whoever asks on behalf of a proxy does not get the body, and cannot know whether there is one. */
  readonly bodyPresence: 'none' | 'present' | 'unseen';
  /**
   * The exact bytes. Callable twice. Rejects with a BodyError. `onPiece` sees the bytes as they arrive, each once and in their
   * order; none of them when the body was asked for before. `caller`: who is proven to send it, by whom room for bodies is shared.
   */
  body(onPiece?: OnPiece, caller?: string): Promise<Uint8Array>;
}

export type OnPiece = (bytes: Uint8Array) => void;

/** no_room_for_body: it is within its limit, and the bodies of all requests together, or of its caller, are over theirs. */
export type BodyErrorCode = 'body_too_large' | 'body_unavailable' | 'no_room_for_body';

/** Thrown by `body()`; compared by code, since two copies of a package may be installed. */
export class BodyError extends Error {
  readonly code: BodyErrorCode;
  constructor(code: BodyErrorCode, message: string) {
    super(message);
    this.name = 'BodyError';
    this.code = code;
  }
}
