import type { IncomingMessage } from 'node:http';
import { plainAddress, type AddressList } from '../../core/address.ts';
import type { AuthRequest, OnPiece } from '../../core/request.ts';
import type { ClientCertificate } from '../../core/certificate.ts';
import { readBody } from './body.ts';
import { peerCertificate } from './peer-certificate.ts';
import { clientAddress, isTrusted } from '../../core/client-address.ts';

export interface NodeRequestOptions {
  readonly req: IncomingMessage;
  readonly service: string;
  /** Normalised, without the service's prefix (core/target.ts). */
  readonly path: string;
  /** Proxies whose X-Forwarded-* and X-Request-Id are believed. */
  readonly trustedProxies: AddressList;
  /** Bytes that `body()` holds at most. */
  readonly bodyLimit: number;
  /** Called once before the body is first read; a gateway answers `Expect: 100-continue` here. */
  readonly onBody?: () => void;
  /** What the client put on the request line, where a framework has changed `req.url` since. */
  readonly target?: string;
  /** The id under which it is recorded, where that was decided already. */
  readonly requestId?: string;
  /** True for a listener of ours, which asked for certificates of the authorities that the configuration names. */
  readonly seesCertificates?: boolean;
  /** Reads the body; default: readBody, after which it can no longer be streamed. */
  readonly hold?: Hold;
}

type Hold = (req: IncomingMessage, limit: number, onPiece?: OnPiece, caller?: string) => Promise<Buffer>;

/** An AuthRequest that also knows what its reader needs for passing the request on. */
export interface NodeRequest extends AuthRequest {
  /** The address at the other end of the socket. */
  readonly peerAddress: string;
  /** True when the peer is one of the trusted proxies. */
  readonly viaTrustedProxy: boolean;
  /** The body, when somebody asked for it: it must be replayed, since it can no longer be streamed. */
  readonly heldBody: Promise<Buffer> | null;
}

const NONE: readonly string[] = Object.freeze([]);
const requestIdPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const hostPattern = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/;

// Unique across processes by its random start, and nearly free: it is no secret.
const idPrefix = `${globalThis.crypto.randomUUID().slice(0, 8)}-`;
let idCount = 0;

/** Translates node:http's request and decides nothing. The caller has made sure that there is at most one Host line. */
export function nodeRequest(options: NodeRequestOptions): NodeRequest {
  return new IncomingRequest(options);
}

/** Field lines of one name in order of arrival. node:http's own `headers` joins or drops duplicates. */
export function fieldLines(rawHeaders: readonly string[], name: string): readonly string[] {
  let found: string[] | null = null;
  const { length } = name;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const raw = rawHeaders[index] as string;
    if (raw.length !== length || (raw !== name && raw.toLowerCase() !== name)) continue;
    if (found === null) found = [rawHeaders[index + 1] as string];
    else found.push(rawHeaders[index + 1] as string);
  }
  return found ?? NONE;
}

/** Whoever has no room to share reads by the limit alone. */
const heldAlone: Hold = (req, limit, onPiece) => readBody(req, limit, onPiece);

class IncomingRequest implements NodeRequest {
  readonly method: string;
  readonly target: string;
  readonly path: string;
  readonly service: string;
  readonly authority: string;
  readonly protocol: 'http' | 'https';
  readonly remoteAddress: string;
  readonly requestId: string;
  readonly peerAddress: string;
  readonly viaTrustedProxy: boolean;
  heldBody: Promise<Buffer> | null = null;
  readonly #req: IncomingMessage;
  readonly #bodyLimit: number;
  readonly #onBody: (() => void) | undefined;
  readonly #hold: Hold;
  readonly #seesCertificates: boolean;

  constructor(options: NodeRequestOptions) {
    const { req, service, path, trustedProxies, bodyLimit, onBody, target, requestId, hold = heldAlone } = options;
    this.#req = req;
    this.#bodyLimit = bodyLimit;
    this.#onBody = onBody;
    this.#hold = hold;
    this.#seesCertificates = options.seesCertificates ?? false;
    this.method = req.method ?? 'GET';
    this.target = target ?? req.url ?? '/';
    this.path = path;
    this.service = service;
    this.peerAddress = plainAddress(req.socket.remoteAddress ?? '');
    this.viaTrustedProxy = isTrusted(trustedProxies, this.peerAddress);
    this.authority = this.viaTrustedProxy ? forwardedOr(hostOf(req), this.fields('x-forwarded-host')) : hostOf(req);
    if (this.viaTrustedProxy) {
      this.remoteAddress = clientAddress(this.peerAddress, this.fields('x-forwarded-for'), trustedProxies);
      this.protocol = forwardedProtocol(this.fields('x-forwarded-proto')) ?? protocolOf(req);
      this.requestId = requestId ?? givenRequestId(this.fields('x-request-id')) ?? nextRequestId();
    } else {
      this.remoteAddress = this.peerAddress;
      this.protocol = protocolOf(req);
      this.requestId = requestId ?? nextRequestId();
    }
  }

  get upgrades(): boolean {
    return (this.#req as { upgrade?: boolean | null }).upgrade === true;
  }

  /** A trusted proxy's own certificate says nothing about the client whose request it passes on. */
  get certificate(): ClientCertificate | null {
    return this.#seesCertificates && !this.viaTrustedProxy ? peerCertificate(this.#req) : null;
  }

  fields(name: string): readonly string[] {
    return fieldLines(this.#req.rawHeaders, name);
  }

  /** RFC 9112 §6.3: a request has a body when it says its length or that it comes in chunks. */
  get bodyPresence(): 'none' | 'present' {
    const { 'content-length': length, 'transfer-encoding': coding } = this.#req.headers;
    return coding !== undefined || (length !== undefined && length !== '0') ? 'present' : 'none';
  }

  body(onPiece?: OnPiece, caller?: string): Promise<Buffer> {
    if (this.heldBody === null) {
      this.#onBody?.();
      this.heldBody = this.#hold(this.#req, this.#bodyLimit, onPiece, caller);
    }
    return this.heldBody;
  }
}

/** As much as is kept of a request that is refused unread, from where and under the id that a trusted proxy says. */
export function refusedRequest(req: IncomingMessage, service: string, trustedProxies: AddressList) {
  const [path = ''] = (req.url ?? '').split('?', 1);
  const peer = plainAddress(req.socket.remoteAddress ?? '');
  const lines = (name: string): readonly string[] => fieldLines(req.rawHeaders, name);
  const givenId = isTrusted(trustedProxies, peer) ? givenRequestId(lines('x-request-id')) : null;
  return {
    method: req.method ?? '',
    path: path.slice(0, 256),
    service,
    remoteAddress: clientAddress(peer, lines('x-forwarded-for'), trustedProxies),
    requestId: givenId ?? nextRequestId(),
  };
}

export function nextRequestId(): string {
  idCount += 1;
  return idPrefix + idCount.toString(36);
}

/** The host that the client named, lower case, with its port when it was given; '' for none. */
export function authorityOf(req: IncomingMessage, trustedProxies: AddressList): string {
  if (!isTrusted(trustedProxies, plainAddress(req.socket.remoteAddress ?? ''))) return hostOf(req);
  return forwardedOr(hostOf(req), fieldLines(req.rawHeaders, 'x-forwarded-host'));
}

function hostOf(req: IncomingMessage): string {
  return req.headers.host?.toLowerCase() ?? '';
}

function protocolOf(req: IncomingMessage): 'http' | 'https' {
  return 'encrypted' in req.socket && req.socket.encrypted === true ? 'https' : 'http';
}

/** The id in these lines; null where it is not one that may be kept: it goes into logs, and on to upstreams. */
export function givenRequestId(lines: readonly string[]): string | null {
  const [line] = lines;
  return lines.length === 1 && line !== undefined && requestIdPattern.test(line) ? line : null;
}

/** The last entry is the one that the proxy next to us wrote. */
function lastEntry(lines: readonly string[]): string | null {
  const line = lines.at(-1);
  return line === undefined ? null : line.slice(line.lastIndexOf(',') + 1).trim();
}

function forwardedOr(host: string, lines: readonly string[]): string {
  const entry = lastEntry(lines);
  return entry !== null && hostPattern.test(entry) ? entry.toLowerCase() : host;
}

function forwardedProtocol(lines: readonly string[]): 'http' | 'https' | null {
  const entry = lastEntry(lines)?.toLowerCase();
  return entry === 'http' || entry === 'https' ? entry : null;
}
