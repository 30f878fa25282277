import type { IncomingMessage, ServerResponse } from 'node:http';
import { awaitsContinue } from '../adapters/node/request-shape.ts';
import { Gathered } from '../core/gathered.ts';
import { oneSpelling } from '../core/json/spelling.ts';
import type { Exchange } from './exchange.ts';
import { isRefused, type Refused } from './refused.ts';

/** What became of a request's body: its text, or why it cannot be read. The words may be shown to the caller. */
export type BodyText =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly reason: 'too_large' | 'bad_request'; readonly words: string };

export type BodyValue =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly reason: 'too_large' | 'bad_request'; readonly words: string };

const bytesMax = 65_536;
/** The server itself bounds heads only, since services stream. */
const bodyMillisMax = 30_000;
const depthMax = 32;

/** Who judges a caller once more behind the body reads it before whoever uses it. */
const read = new WeakMap<IncomingMessage, Promise<BodyText>>();

/** Reads a body of at most 64 KiB as UTF-8, once. Never rejects: a connection that breaks is a body we cannot read. */
export function bodyText(req: IncomingMessage, res: ServerResponse): Promise<BodyText> {
  let text = read.get(req);
  if (!text) read.set(req, (text = readText(req, res)));
  return text;
}

/** Judges before the body and once more behind it: it may have taken its time, and whoever was shut out meanwhile changes nothing more. */
export async function behindBody<T extends object>(
  { req, res }: Pick<Exchange, 'req' | 'res'>,
  judge: () => Promise<T | Refused>,
): Promise<T | Refused> {
  const judged = await judge();
  if (isRefused(judged)) return judged;
  await bodyText(req, res);
  return judge();
}

async function readText(req: IncomingMessage, res: ServerResponse): Promise<BodyText> {
  // The server leaves it to us to say 100 Continue, so that an unwanted body is never sent.
  if (awaitsContinue(req)) res.writeContinue();
  const bytes = await bodyBytes(req);
  if (bytes === 'broken')
    return { ok: false, reason: 'bad_request', words: 'the request body ended before it was complete' };
  if (bytes === 'too slow')
    return { ok: false, reason: 'bad_request', words: 'the request body did not arrive in time' };
  if (bytes === 'too large') return { ok: false, reason: 'too_large', words: `send at most ${bytesMax} bytes` };
  try {
    return { ok: true, text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { ok: false, reason: 'bad_request', words: 'the request body is not UTF-8' };
  }
}

type Fault = 'broken' | 'too large' | 'too slow';

function bodyBytes(req: IncomingMessage): Promise<Buffer | Fault> {
  // Of a request without a body the server announces no end.
  if (req.readableEnded) return Promise.resolve(Buffer.alloc(0));
  return new Promise((resolve) => {
    const body = new Gathered();
    const settle = (bytes: Buffer | Fault): void => {
      clearTimeout(timer);
      req.off('data', take).off('end', end).off('error', broken).off('close', broken);
      resolve(bytes);
    };
    const take = (chunk: Buffer): void => {
      body.push(chunk);
      if (body.size > bytesMax) settle('too large');
    };
    const end = (): void => settle(body.whole());
    const broken = (): void => settle('broken');
    const timer = setTimeout(settle, bodyMillisMax, 'too slow');
    req.on('data', take).on('end', end).on('error', broken).on('close', broken);
  });
}

/** A JSON body; undefined for an empty one. Its depth is bounded before it is parsed. */
export async function bodyJson(req: IncomingMessage, res: ServerResponse): Promise<BodyValue> {
  const body = await bodyText(req, res);
  if (!body.ok) return body;
  return body.text.trim() === '' ? { ok: true, value: undefined } : parseJson(body.text);
}

function parseJson(text: string): BodyValue {
  if (jsonDepth(text) > depthMax)
    return { ok: false, reason: 'bad_request', words: `the JSON is nested deeper than ${depthMax} levels` };
  try {
    const value: unknown = JSON.parse(text);
    // Of a name that stands twice one reader takes the first value and another the last.
    const spelling = oneSpelling(text);
    return spelling.ok ? { ok: true, value } : { ok: false, reason: 'bad_request', words: spelling.note };
  } catch {
    // The parser's own message quotes the text, which may hold a secret.
    return { ok: false, reason: 'bad_request', words: 'the request body is not JSON' };
  }
}

/** The deepest nesting of a JSON text, found without building anything. */
export function jsonDepth(text: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let index = 0; index < text.length; index += 1) {
    const char = text[index];
    if (inString) {
      if (char === '\\') index += 1;
      else if (char === '"') inString = false;
    } else if (char === '"') inString = true;
    else if (char === '{' || char === '[') deepest = Math.max(deepest, (depth += 1));
    else if (char === '}' || char === ']') depth -= 1;
  }
  return deepest;
}
