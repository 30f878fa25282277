import type { IncomingMessage, ServerResponse } from 'node:http';
import { isObject, type JsonObject } from '../core/json/object.ts';
import { BodyError, type BodyErrorCode } from '../core/request.ts';
import { hasTooManyValues } from '../core/json/values.ts';
import { parsed } from './exact-json.ts';

const messagesMax = 100;

type Read =
  | { readonly ok: true; readonly messages: readonly JsonObject[] }
  | { readonly ok: false; readonly status: number; readonly words: string };

/**
 * Reads a whole body, and answers for those of all requests together. `caller`: who is proven to send it, '' for nobody. Rejects with
 * a BodyError.
 */
export type Hold = (req: IncomingMessage, res: ServerResponse, bytesMax: number, caller: string) => Promise<Buffer>;

const bodyFaults: Readonly<Record<BodyErrorCode, { readonly status: number; readonly words: string }>> = {
  body_too_large: { status: 413, words: 'The message is too large' },
  no_room_for_body: { status: 503, words: 'too many messages are being read' },
  body_unavailable: { status: 400, words: 'The body ended before it was complete' },
};

/** The messages of a POST's body. */
export async function readMessages(body: Promise<Buffer>): Promise<Read> {
  try {
    return messagesIn(await body);
  } catch (error) {
    if (error instanceof BodyError) return { ok: false, ...bodyFaults[error.code] };
    throw error;
  }
}

function messagesIn(body: Buffer): Read {
  // Where there are rules this was asked before; anywhere else whoever is let pass could hold up everybody.
  if (hasTooManyValues(body)) return { ok: false, status: 413, words: 'The message has too many values' };
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    return { ok: false, status: 400, words: 'The body is not UTF-8' };
  }
  const value = parsed(text);
  const messages: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (messages.length === 0 || messages.length > messagesMax || !messages.every(isObject))
    return { ok: false, status: 400, words: 'The body is no JSON-RPC message' };
  return { ok: true, messages };
}

/** The message that begins a session, in revisions that have them. */
export function isOpening(message: JsonObject | undefined): boolean {
  return message?.['method'] === 'initialize' && 'id' in message;
}

/** A message of the revisions without sessions: each says for itself which one it follows. */
export function isModern({ params }: JsonObject): boolean {
  const meta = isObject(params) ? params['_meta'] : undefined;
  return isObject(meta) && typeof meta['io.modelcontextprotocol/protocolVersion'] === 'string';
}
