/** What a client sends to an MCP server, read so strictly that no two readers can understand it in two ways. */

export type JsonObject = Readonly<Record<string, unknown>>;

export interface McpMessages {
  readonly ok: true;
  /** One, or those of a batch; never none. */
  readonly messages: readonly JsonObject[];
  /** The same in the one spelling that is passed on: no blanks, no escapes that are not needed, numbers as they were. */
  readonly text: string;
}

export interface UnreadableMessages {
  readonly ok: false;
  readonly note: string;
}

/** Levels of arrays and objects. A tool's arguments are seldom deeper than ten. */
const depthMax = 100;
const messagesMax = 100;

/** Members that servers act upon. Some readers find them whatever the case of their letters, others do not. */
const envelopeNames: ReadonlySet<string> = new Set(['jsonrpc', 'id', 'method', 'params', 'result', 'error']);
const parameterNames: ReadonlySet<string> = new Set(['name', 'uri', 'arguments', 'ref', 'notifications', '_meta']);

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

function read(body: Uint8Array): McpMessages | UnreadableMessages {
  let value: unknown;
  let source: string;
  try {
    source = decoder.decode(body);
    value = JSON.parse(source);
  } catch {
    return unreadable('the body is no JSON in UTF-8');
  }
  const canonical = respelled(source);
  if (!canonical.ok) return canonical;
  const messages: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (messages.length === 0) return unreadable('the batch is empty');
  if (messages.length > messagesMax) return unreadable(`a batch of more than ${messagesMax} messages`);
  for (const message of messages) {
    if (!isObject(message)) return unreadable('what is no object is no message');
    const fault = messageFault(message);
    if (fault !== null) return unreadable(fault);
  }
  return { ok: true, messages: messages as JsonObject[], text: canonical.text };
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Letters that some readers take for one another: case (Kelvin sign and long s too), width, composition. */
export function folded(text: string): string {
  return text.normalize('NFKC').toLowerCase();
}

function messageFault(message: JsonObject): string | null {
  const strange = lookAlike(message, envelopeNames);
  if (strange !== null) return `the member ${JSON.stringify(strange)} is nearly one of a message`;
  const { method, params } = message;
  if (method !== undefined && typeof method !== 'string') return 'the method is no string';
  if (method === undefined && !('result' in message) && !('error' in message)) return 'a message without a method';
  if (!isObject(params)) return null;
  const parameter = lookAlike(params, parameterNames);
  return parameter === null ? null : `the parameter ${JSON.stringify(parameter)} is nearly one that is known`;
}

function lookAlike(object: JsonObject, known: ReadonlySet<string>): string | null {
  for (const name of Object.keys(object)) if (!known.has(name) && known.has(folded(name))) return name;
  return null;
}

const blank = /[ \t\n\r]+/y;
const scalar = /[^ \t\n\r,:[\]{}"]+/y;

/** The text, known to be JSON, in one spelling. Refuses a name that stands twice in one object, and what nests too deeply. */
function respelled(source: string): { readonly ok: true; readonly text: string } | UnreadableMessages {
  // Of each open object the names so far; null for an array.
  const open: (Set<string> | null)[] = [];
  let text = '';
  let at = 0;
  let namesNext = false;
  const take = (pattern: RegExp): string => {
    pattern.lastIndex = at;
    const [found = ''] = pattern.exec(source) ?? [];
    at += found.length;
    return found;
  };
  while (at < source.length) {
    if (take(blank) !== '') continue;
    const mark = source[at] as string;
    if (mark === '"') {
      const end = stringEnd(source, at);
      const value = JSON.parse(source.slice(at, end)) as string;
      at = end;
      const names = open.at(-1);
      if (namesNext && names) {
        if (names.has(value)) return unreadable(`the name ${JSON.stringify(value.slice(0, 64))} stands twice`);
        names.add(value);
        namesNext = false;
      }
      text += JSON.stringify(value);
    } else if (',:[]{}'.includes(mark)) {
      at += 1;
      text += mark;
      if (mark === '{' || mark === '[') {
        open.push(mark === '{' ? new Set() : null);
        if (open.length > depthMax) return unreadable(`nested deeper than ${depthMax} levels`);
      } else if (mark === '}' || mark === ']') open.pop();
      namesNext = mark === '{' || (mark === ',' && open.at(-1) !== null);
    } else text += take(scalar);
  }
  return { ok: true, text };
}

/** Behind the string that begins there. A pattern would need memory for each character of it. */
function stringEnd(source: string, start: number): number {
  for (let quote = source.indexOf('"', start + 1); ; quote = source.indexOf('"', quote + 1)) {
    let escapes = quote;
    while (source[escapes - 1] === '\\') escapes -= 1;
    if ((quote - escapes) % 2 === 0) return quote + 1;
  }
}

function unreadable(note: string): UnreadableMessages {
  return { ok: false, note };
}
