import { METHODS, type IncomingMessage } from 'node:http';

const headerLinesMax = 128;
/** A name or an address, and a port (RFC 3986 §3.2.2, without what no server is called by). */
const hostPattern = /^(?:|(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?)$/;

/** All that node:http reads but those that are not passed on: a TRACE shows what was added on the way, a CONNECT is no request of ours. */
const methods: ReadonlySet<string> = new Set(METHODS.filter((name) => name !== 'TRACE' && name !== 'CONNECT'));

/**
 * What is wrong with a method, wherever it stands; null when it is one that is passed on. Names have their case: an upstream that
 * takes 'delete' for DELETE would be reached past the rules for it.
 */
export function methodFault(method: string): string | null {
  return methods.has(method) ? null : `${method} is no method that is passed on`;
}

/**
 * What is wrong with a request's framing and host, in words for the operator's log; null when it can be read in one way
 * only. node:http refuses most of this by itself; here is the rest (RFC 9112 §3.2, §6.1).
 */
export function requestFault(req: IncomingMessage): string | null {
  const { rawHeaders, headers } = req;
  if (rawHeaders.length > headerLinesMax * 2) return `the request has more than ${headerLinesMax} header lines`;
  const unknown = methodFault(req.method ?? '');
  if (unknown !== null) return unknown;
  if (req.httpVersion !== '1.1' && req.httpVersion !== '1.0') return `HTTP/${req.httpVersion} is not spoken here`;
  let hosts = 0;
  let encodings = 0;
  let lengths = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string;
    // Most names are told apart by their length alone.
    if (name.length === 4) hosts += name.toLowerCase() === 'host' ? 1 : 0;
    else if (name.length === 17) encodings += name.toLowerCase() === 'transfer-encoding' ? 1 : 0;
    else if (name.length === 14) lengths += name.toLowerCase() === 'content-length' ? 1 : 0;
  }
  if (hosts > 1) return 'the request has more than one Host line';
  // A framework that builds a URL of it may find a path in it, before the one that is judged.
  if (hosts === 1 && !hostPattern.test(headers.host ?? '')) return 'the Host is no name or address';
  if (encodings + lengths > 1)
    return 'the request frames its body twice (Content-Length and Transfer-Encoding, or one of them twice)';
  if (encodings === 1) {
    if (req.httpVersion !== '1.1') return 'Transfer-Encoding in a request older than HTTP/1.1';
    if (headers['transfer-encoding']?.toLowerCase() !== 'chunked') return 'a Transfer-Encoding other than chunked';
  }
  if (lengths === 1 && !/^[0-9]{1,15}$/.test(headers['content-length'] ?? ''))
    return 'the Content-Length is not a number';
  return null;
}

export function hasBody(req: IncomingMessage): boolean {
  const length = req.headers['content-length'];
  return (length !== undefined && Number(length) > 0) || req.headers['transfer-encoding'] !== undefined;
}

/**
 * Whether the client waits for a word of ours before it sends the body. In HTTP/1.0 there is no such word (RFC 9110 §10.1.1): a 100
 * would be taken for the answer, and the answer for that to the next request.
 */
export function awaitsContinue(req: IncomingMessage): boolean {
  return req.headers.expect !== undefined && req.httpVersion === '1.1';
}
