import type { IncomingMessage } from 'node:http';
import type { UpstreamRequest } from './connection.ts';

export interface RequestHeadOptions {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly host: string;
  /** Names and values; no line in it says how the body is framed but a Content-Length. */
  readonly lines: readonly string[];
  readonly body: Buffer | IncomingMessage | null;
  readonly upgrade: 'websocket' | null;
}

/** Methods of which an upstream expects a body, so that none is to be said (RFC 9110 §8.6). */
const expectsBody: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);
const unsafe = /[^\t\x20-\x7e\x80-\xff]/;

/** A request as it goes out. Throws a TypeError rather than write what would be read as another line. */
export function requestHead({ method, target, host, lines, body, upgrade }: RequestHeadOptions): UpstreamRequest {
  let head = '';
  let length: string | null = null;
  for (let index = 0; index < lines.length; index += 2) {
    const name = lines[index] as string;
    const value = lines[index + 1] as string;
    if (name.length === 14 && name.toLowerCase() === 'content-length') length = value;
    else if (unsafe.test(value)) throw new TypeError(`the value of ${name} cannot stand in a header`);
    else head += `${name}: ${value}\r\n`;
  }
  const chunked = body !== null && !Buffer.isBuffer(body) && length === null;
  if (chunked) head += 'transfer-encoding: chunked\r\n';
  else if (Buffer.isBuffer(body)) head += `content-length: ${body.length}\r\n`;
  else if (body !== null) head += `content-length: ${length}\r\n`;
  else if (length !== null || expectsBody.has(method)) head += 'content-length: 0\r\n';
  const connection = upgrade === null ? 'keep-alive' : `upgrade\r\nupgrade: ${upgrade}`;
  return {
    method,
    head: `${method} ${target} HTTP/1.1\r\nhost: ${host}\r\nconnection: ${connection}\r\n${head}`,
    body,
    chunked,
  };
}
