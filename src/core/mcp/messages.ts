/** What a client sends to an MCP server, read so strictly that no two readers can understand it in two ways. */
import { isObject, type JsonObject } from '../json/object.ts';
import { oneSpelling } from '../json/spelling.ts';
import { hasTooManyValues, marksMax } from '../json/values.ts';

export interface McpMessages {
  readonly ok: true;
  /** One, or those of a batch; never none. */
  readonly messages: readonly JsonObject[];
  /**
   * The same in the one spelling that is passed on: no blanks, no escapes that are not needed, numbers as they were. Null where the
   * body is written so, as most are: a large one is in the memory often enough.
   */
  readonly rewritten: Buffer | null;
}

export interface UnreadableMessages {
  readonly ok: false;
  readonly note: string;
}

const messagesMax = 100;
/** Members that servers act upon. Some readers find them whatever the case of their letters, others do not. */
const envelopeNames = namesOf('jsonrpc', 'id', 'method', 'params', 'result', 'error');
const parameterNames = namesOf('name', 'uri', 'arguments', 'ref', 'notifications', '_meta');
/** Of parameters that are objects themselves. */
const innerNames = new Map([
  ['ref', namesOf('type', 'name', 'uri')],
  ['notifications', namesOf('resourceSubscriptions')],
]);

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A policy judges a body and a gateway passes on what was judged: the same bytes are read once. */
const readBefore = new WeakMap<Uint8Array, McpMessages | UnreadableMessages>();

/**
 * Reads a body of JSON-RPC 2.0, batches too. Refused: what is no JSON in UTF-8 (RFC 8259 §8.1), a byte order mark, a name twice
 * in one object, a known name in other letters, and what is no message.
 */
export function readMcpMessages(body: Uint8Array): McpMessages | UnreadableMessages {
  let found = readBefore.get(body);
  if (!found) readBefore.set(body, (found = read(body)));
  return found;
}

/** The body is passed on, and nobody judges it any more: an answer may last for hours. */
export function forgetMcpMessages(body: Uint8Array): void {
  readBefore.delete(body);
}

function read(body: Uint8Array): McpMessages | UnreadableMessages {
  if (hasTooManyValues(body)) return unreadable(`more than ${marksMax} values`);
  let value: unknown;
  let source: string;
  try {
    source = decoder.decode(body);
    value = JSON.parse(source);
  } catch {
    return unreadable('the body is no JSON in UTF-8');
  }
  const canonical = oneSpelling(source);
  if (!canonical.ok) return canonical;
  const messages: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (messages.length === 0) return unreadable('the batch is empty');
  if (messages.length > messagesMax) return unreadable(`a batch of more than ${messagesMax} messages`);
  for (const message of messages) {
    if (!isObject(message)) return unreadable('what is no object is no message');
    const fault = messageFault(message);
    if (fault !== null) return unreadable(fault);
  }
  const rewritten = canonical.text === source ? null : Buffer.from(canonical.text);
  return { ok: true, messages: messages as JsonObject[], rewritten };
}

/**
 * Letters that some readers take for one another: case (Kelvin sign and long s too), width, composition. Of what somebody else wrote
 * only after a look at how: composing takes a time that grows with the square of the marks in a row.
 */
export function folded(text: string): string {
  return text.normalize('NFKC').toLowerCase();
}

const nameLengthMax = 8192;
/** No language writes more than thirty in a row (UAX #15, Stream-Safe Text Format). */
const endlessMarks = /\p{M}{31}/u;

/** Whether a text is written as names of tools and URIs are, so that it costs nothing to read it in other letters. */
export function isWrittenAsName(text: string): boolean {
  return text.length <= nameLengthMax && !endlessMarks.test(text);
}

/** Folding makes a text of ASCII of nothing that is more than twice as long. */
const nearlyLengthMax = 64;

/** Whether a text may be a word of the protocol in other letters. */
export function isNearlyWord(text: string): boolean {
  return text.length <= nearlyLengthMax;
}

function messageFault(message: JsonObject): string | null {
  const strange = lookAlike(message, envelopeNames);
  if (strange !== null) return `the member ${JSON.stringify(strange)} is nearly one of a message`;
  const { method, params } = message;
  if (method !== undefined && typeof method !== 'string') return 'the method is no string';
  if (method === undefined && !('result' in message) && !('error' in message)) return 'a message without a method';
  if (!isObject(params)) return null;
  let parameter = lookAlike(params, parameterNames);
  for (const [name, names] of innerNames) if (isObject(params[name])) parameter ??= lookAlike(params[name], names);
  return parameter === null ? null : `the parameter ${JSON.stringify(parameter)} is nearly one that is known`;
}

type Names = ReadonlyMap<string, string>;

/** Each by its folded form. */
function namesOf(...names: readonly string[]): Names {
  return new Map(names.map((name) => [folded(name), name]));
}

function lookAlike(object: JsonObject, known: Names): string | null {
  for (const name of Object.keys(object)) {
    const meant = isNearlyWord(name) ? known.get(folded(name)) : undefined;
    if (meant !== undefined && meant !== name) return name;
  }
  return null;
}

function unreadable(note: string): UnreadableMessages {
  return { ok: false, note };
}
