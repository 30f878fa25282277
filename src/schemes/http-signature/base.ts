import type { Component } from './dictionary.ts';

/** What a signature can cover: a request, or a response with the request that it answers (RFC 9421 §2.4). */
export interface SignedMessage {
  readonly method: string;
  /** Path and query as on the request line. */
  readonly target: string;
  /** Host, lower case, without the protocol's default port. */
  readonly authority: string;
  readonly protocol: 'http' | 'https';
  readonly status?: number;
  /** The request that a response answers, for ';req'. */
  readonly request?: SignedMessage;
  fields(name: string): readonly string[];
}

/** The signature base (RFC 9421 §2.5). Null when the message lacks a component or the component is not understood. */
export function signatureBase(
  message: SignedMessage,
  components: readonly Component[],
  parameters: string,
): string | null {
  let base = '';
  for (const { name, parameters: extra, start } of components) {
    const value = componentValue(message, name, extra);
    if (value === null) return null;
    // One piece of text for each part: a template would be one more to put together.
    base = base + start + value + '\n';
  }
  return `${base}"@signature-params": ${parameters}`;
}

function componentValue(message: SignedMessage, name: string, parameters: string): string | null {
  if (parameters === ';req') return message.request ? componentValue(message.request, name, '') : null;
  if (name === '@query-param') return queryParameter(message, parameters);
  if (parameters !== '') return null;
  if (name.charCodeAt(0) !== 0x40) return fieldValue(message.fields(name));
  if (message.status !== undefined) return name === '@status' ? String(message.status) : null;
  return derived(message, name);
}

/** Derived components (RFC 9421 §2.2), from the target as it is on the wire: nothing is decoded or rewritten. */
function derived(message: SignedMessage, name: string): string | null {
  const { target } = message;
  switch (name) {
    case '@method':
      return message.method;
    case '@authority':
      return message.authority;
    case '@path':
      return pathOf(target);
    case '@query':
      return queryOf(target);
    case '@scheme':
      return message.protocol;
    case '@request-target':
      return target;
    case '@target-uri':
      return `${message.protocol}://${message.authority}${target}`;
    default:
      return null;
  }
}

function pathOf(target: string): string {
  const mark = target.indexOf('?');
  return mark === -1 ? target : target.slice(0, mark);
}

/** An absent query is signed as a lone question mark (RFC 9421 §2.2.7). */
function queryOf(target: string): string {
  const mark = target.indexOf('?');
  return mark === -1 ? '?' : target.slice(mark);
}

/** RFC 9421 §2.2.8; refused when the parameter occurs more than once, since readers then differ on which one counts. */
function queryParameter(message: SignedMessage, parameters: string): string | null {
  const name = /^;name="([A-Za-z0-9%_.*+-]+)"$/.exec(parameters)?.[1];
  if (name === undefined) return null;
  const values = new URLSearchParams(queryOf(message.target)).getAll(decodeURIComponent(name));
  return values.length === 1 ? encodeURIComponent(values[0] as string) : null;
}

/**
 * Field lines joined as RFC 9421 §2.1 says: trimmed, obs-fold never arrives, separated by a comma and a space. Null where a
 * line is not ASCII: how its bytes were meant is anybody's guess.
 */
function fieldValue(lines: readonly string[]): string | null {
  if (lines.length === 0 || !lines.every((line) => ascii.test(line))) return null;
  return lines.length === 1 ? (lines[0] as string).trim() : lines.map((line) => line.trim()).join(', ');
}

const ascii = /^[\t -~]*$/;
