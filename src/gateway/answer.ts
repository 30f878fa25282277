import type { IncomingMessage, ServerResponse } from 'node:http';
import { discardBody } from '../adapters/node/discard-body.ts';
import { awaitsContinue, hasBody } from '../adapters/node/request-shape.ts';
import type { Refusal } from '../core/refusal.ts';
import { devHeader } from './headers/response-headers.ts';

/**
 * Sends a refusal. Where the request's body has not been read, the connection ends with the answer: what is left of the
 * body must never be taken for a next request, and reading an unwanted upload to its end would be a gift to its sender.
 */
export function answer(req: IncomingMessage, res: ServerResponse, refusal: Refusal, devMode: boolean): void {
  const headers: Record<string, string> = { ...refusal.headers };
  if (devMode) headers[devHeader.toLowerCase()] = 'unauthenticated';
  if (req.complete || !hasBody(req)) {
    res.writeHead(refusal.status, headers);
    res.end(refusal.body);
    return;
  }
  headers['connection'] = 'close';
  res.writeHead(refusal.status, headers);
  if (awaitsContinue(req)) {
    // The client waits for our word before it sends the body: there is nothing to read.
    res.end(refusal.body);
    return;
  }
  // Closing with unread bytes in the socket resets it, and the client could lose the answer: read on for a moment.
  res.write(refusal.body);
  discardBody(req, () => res.end());
}

/** Copying more than this costs more than a second piece. */
const textBytesMax = 16_384;

/**
 * What an upstream's connection read, to be written in Latin-1: its memory is the connection's. As text, in which a character
 * is a byte, a short body leaves in one string with the head.
 */
export function lasting(bytes: Buffer): string | Buffer {
  return bytes.length <= textBytesMax ? bytes.toString('latin1') : Buffer.from(bytes);
}
