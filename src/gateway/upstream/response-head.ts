import { bySpelling } from '../headers/by-spelling.ts';
import { badResponse } from './fault.ts';

/** How a response's body ends (RFC 9112 §6.3). */
export type Framing =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly bytes: number }
  | { readonly kind: 'chunked' }
  /** With the connection. */
  | { readonly kind: 'close' };

export interface ResponseHead {
  readonly status: number;
  /** Names and values in order of arrival, as they were spelled. */
  readonly lines: readonly string[];
  readonly framing: Framing;
  /** Whether the connection may carry another request. */
  readonly keepsAlive: boolean;
  /** Seconds for which the upstream says that it keeps an idle connection; null when it says nothing. */
  readonly idleSeconds: number | null;
}

// One pass for all that may stand nowhere in a head: control characters, a CR or LF on its own, a folded line (RFC 9112 §5.2).
const forbidden = /[^\t\x20-\x7e\x80-\xff\r\n]|\r(?!\n)|(?<!\r)\n|\r\n[\t ]/;
const statusLine = /^HTTP\/1\.([01]) ([1-9][0-9]{2})(?: .*)?$/;
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const none: Framing = { kind: 'none' };
const chunked: Framing = { kind: 'chunked' };
const untilClose: Framing = { kind: 'close' };
const noOptions: readonly string[] = [];

const fields = ['content-length', 'transfer-encoding', 'connection', 'keep-alive'] as const;

/** Which of those that say how the response is framed a name is; null for another. */
const fieldOf = bySpelling((name) => {
  if (!token.test(name)) throw badResponse('a header name that is no token');
  const lower = name.toLowerCase();
  return fields.find((field) => field === lower) ?? null;
});

/**
 * Reads a response's head, given without the empty line at its end, one byte a character. Throws an UpstreamError where two
 * readers could understand it in two ways: a proxy that repaired it would pass on what it had guessed.
 */
export function parseHead(text: string, method: string): ResponseHead {
  if (forbidden.test(text)) throw badResponse('a character or a line ending that no head may hold');
  const firstEnd = text.indexOf('\r\n');
  const [, minor, digits] = statusLine.exec(firstEnd === -1 ? text : text.slice(0, firstEnd)) ?? [];
  if (digits === undefined) throw badResponse('no status line of HTTP/1');
  const lines: string[] = [];
  let length: string | null = null;
  let coding: string | null = null;
  let connection = '';
  let idleSeconds: number | null = null;
  for (let at = firstEnd === -1 ? text.length : firstEnd + 2; at < text.length;) {
    const next = text.indexOf('\r\n', at);
    const end = next === -1 ? text.length : next;
    const colon = text.indexOf(':', at);
    if (colon === -1 || colon > end) throw badResponse('a header line without a colon');
    const name = text.slice(at, colon);
    const value = fieldValue(text, colon + 1, end);
    lines.push(name, value);
    switch (fieldOf(name)) {
      case 'content-length':
        if (length !== null) throw badResponse('more than one Content-Length');
        length = value;
        break;
      case 'transfer-encoding':
        if (coding !== null) throw badResponse('more than one Transfer-Encoding');
        coding = value.toLowerCase();
        break;
      case 'connection':
        connection += `,${value.toLowerCase()}`;
        break;
      case 'keep-alive':
        idleSeconds = timeoutOf(value);
        break;
      case null:
        break;
    }
    at = end + 2;
  }
  const status = Number(digits);
  const framing = framingOf(status, method, minor === '1', length, coding);
  const options =
    connection === '' ? noOptions : connection.split(',').map((option) => fieldValue(option, 0, option.length));
  const keepsAlive =
    framing.kind !== 'close' && !options.includes('close') && (minor === '1' || options.includes('keep-alive'));
  return { status, lines, framing, keepsAlive, idleSeconds };
}

/**
 * Throws an UpstreamError on what is no field of a trailer section, given without its CRLF: what follows a body is read as
 * strictly as what stands before it, and may not say anew how the body is framed (RFC 9110 §6.5.1).
 */
export function checkTrailer(line: string): void {
  if (forbidden.test(line)) throw badResponse('a character that no trailer may hold');
  const colon = line.indexOf(':');
  if (colon === -1) throw badResponse('a trailer without a colon');
  const field = fieldOf(line.slice(0, colon));
  if (field === 'content-length' || field === 'transfer-encoding') throw badResponse('a trailer about the framing');
}

/** Without the white space around it: only blanks and tabs are that (RFC 9110 §5.6.3), and trim() would take more. */
function fieldValue(text: string, from: number, to: number): string {
  let start = from;
  let end = to;
  while (start < end && isBlank(text.charCodeAt(start))) start += 1;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9;
}

function framingOf(
  status: number,
  method: string,
  isCurrent: boolean,
  length: string | null,
  coding: string | null,
): Framing {
  if (length !== null && coding !== null) throw badResponse('Content-Length beside Transfer-Encoding');
  if (length !== null && !/^[0-9]{1,15}$/.test(length)) throw badResponse('a Content-Length that is no number');
  if (coding !== null && (coding !== 'chunked' || !isCurrent))
    throw badResponse('a Transfer-Encoding that is not chunked');
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return none;
  if (coding !== null) return chunked;
  if (length === null) return untilClose;
  return length === '0' ? none : { kind: 'length', bytes: Number(length) };
}

/** Keep-Alive: timeout=5, max=1000 */
function timeoutOf(value: string): number | null {
  const [, seconds] = /(?:^|[,\s])timeout=([0-9]{1,6})(?:$|[,\s])/i.exec(value) ?? [];
  return seconds === undefined ? null : Number(seconds);
}
