import { Gathered } from '../gathered.ts';
import { answerMarksMax, hasTooManyValues } from '../json/values.ts';
import { isObject, type JsonObject } from '../json/object.ts';
import { hasRules, isListed, type McpKind, type McpRules } from './rules.ts';
import type { Principal } from '../verdict.ts';
import { UnreadEvent } from './unread-event.ts';

/** Takes what a caller may not use out of the lists in a server's answer. */
export interface ListFilter {
  /** True when nothing may go out before all of it has come in. */
  readonly whole: boolean;
  /** Returns what may go out now; empty for nothing yet. Throws an UnreadableAnswer on what cannot be looked into. */
  push(bytes: Buffer): Buffer;
  end(): Buffer;
}

/** Of one answer, and of one event of a stream. */
const messageBytesMax = 16 * 1024 * 1024;
const tooLarge = 'an event too large to be looked into';
const tooManyValues = 'more values than can be looked into';

/** Where a result lists things, and by what each is named. Templates are patterns of URIs: reading is judged, not they. */
const lists: readonly { readonly member: string; readonly kind: McpKind; readonly name: string }[] = [
  { member: 'tools', kind: 'tools', name: 'name' },
  { member: 'resources', kind: 'resources', name: 'uri' },
  { member: 'prompts', kind: 'prompts', name: 'name' },
];

export interface ListFilterOptions {
  readonly principal: Principal;
  readonly rules: McpRules;
  /** Of the data of an `endpoint` event; null where that is an event like any other. */
  readonly moved?: ((data: string) => string) | null;
  /** Told of an event that could not be looked into, and in whose place its request was failed; `what`: what it has. */
  readonly onUnread?: (what: string) => void;
}

/** An answer that nobody can look into, and that is therefore told to nobody. `message`: what it has that it should not. */
export class UnreadableAnswer extends Error {
  readonly code = 'unreadable_answer';
}

/**
 * For an answer with this Content-Type and Content-Encoding ('' for none); null where that type holds no messages. Throws an
 * UnreadableAnswer on a compressed one: none was asked for.
 */
export function listFilter(
  type: string,
  coding: string,
  { principal, rules, moved = null, onUnread = () => undefined }: ListFilterOptions,
): ListFilter | null {
  const plain = type.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  const isStream = plain === 'text/event-stream';
  if (!isStream && plain !== 'application/json' && !plain.endsWith('+json')) return null;
  if (!hasRules(rules) && (!isStream || moved === null)) return null;
  if (coding !== '' && coding.toLowerCase() !== 'identity')
    throw new UnreadableAnswer(`an encoding that was not asked for (${coding})`);
  const filter = (value: unknown): unknown => withoutUnlisted(value, principal, rules);
  return isStream ? eventFilter({ filter, moved, onUnread }) : documentFilter(filter);
}

/** Names of header lines that speak of bytes which are no longer the same. */
export function isOfOriginalBytes(name: string): boolean {
  return /^(?:content-length|content-md5|content-digest|repr-digest|digest|etag|accept-ranges)$/i.test(name);
}

type Filter = (value: unknown) => unknown;

interface EventFilters {
  readonly filter: Filter;
  readonly moved: ((data: string) => string) | null;
  readonly onUnread: (what: string) => void;
}

function documentFilter(filter: Filter): ListFilter {
  const body = new Gathered();
  return {
    whole: true,
    push(bytes) {
      body.push(bytes);
      if (body.size > messageBytesMax) throw new UnreadableAnswer('a body too large to be looked into');
      return nothing;
    },
    end() {
      const source = body.whole();
      if (source.length === 0) return source;
      if (hasTooManyValues(source, answerMarksMax)) throw new UnreadableAnswer(tooManyValues);
      let value: unknown;
      try {
        value = JSON.parse(source.toString('utf8'));
      } catch {
        throw new UnreadableAnswer('a body that is no JSON');
      }
      const filtered = filter(value);
      return filtered === value ? source : Buffer.from(JSON.stringify(filtered));
    },
  };
}

const byteOrderMark = '\xef\xbb\xbf';

/** Event streams (WHATWG HTML §9.2.6): lines end in CR, LF or both, an event in an empty line. */
function eventFilter(filters: EventFilters): ListFilter {
  const { onUnread } = filters;
  // Read as one character a byte, so that a cut within a character does no harm; what was read is not looked at twice.
  let begun = new Gathered();
  /** The last characters of what has begun: an empty line may begin there. */
  let tail = '';
  /** What has begun, where it is too large by now. */
  let unread: UnreadEvent | null = null;
  let atStart = true;
  let skipsFeed = false;

  function read(last: string): string {
    const event = begun.whole().toString('latin1') + last;
    // Readers take it off, and the first line with it would be one that we do not know.
    return atStart && event.startsWith(byteOrderMark) ? event.slice(byteOrderMark.length) : event;
  }

  return {
    whole: false,
    push(bytes) {
      let text = bytes.toString('latin1');
      // A line feed behind an event that ended in CR belongs to that line end and begins no other line.
      if (skipsFeed && text.startsWith('\n')) text = text.slice(1);
      skipsFeed = false;
      let out = '';
      for (let end = eventEnd(tail + text); end !== -1; end = eventEnd(text)) {
        const cut = end - tail.length;
        const last = text.slice(0, cut);
        unread?.push(last);
        out += unread ? failed(unread, tooLarge, onUnread) : filteredEvent(read(last), filters);
        atStart = false;
        skipsFeed = last.endsWith('\r') && text.length === cut;
        text = text.slice(last.endsWith('\r') && text[cut] === '\n' ? cut + 1 : cut);
        [begun, tail, unread] = [new Gathered(), '', null];
      }
      if (text !== '') {
        skipsFeed = false;
        if (unread) unread.push(text);
        else begun.push(Buffer.from(text, 'latin1'));
        tail = (tail + text).slice(-3);
      }
      if (begun.size > messageBytesMax) {
        unread = new UnreadEvent();
        unread.push(read(''));
        begun = new Gathered();
      }
      return out === '' ? nothing : Buffer.from(out, 'latin1');
    },
    // An event without its end is none (§9.2.6): it is told to nobody.
    end() {
      if (unread) throw new UnreadableAnswer(tooLarge);
      return nothing;
    },
  };
}

function failed(event: UnreadEvent, what: string, onUnread: (what: string) => void): string {
  const replacement = event.replacement(what);
  if (replacement === null) throw new UnreadableAnswer(what);
  onUnread(what);
  return replacement;
}

/** Behind the empty line that ends the first event; -1 for none yet. */
function eventEnd(text: string): number {
  const found = /(?:\r\n|\r(?!\n)|\n)(?:\r\n|\r|\n)/.exec(text);
  return found === null ? -1 : found.index + found[0].length;
}

function filteredEvent(event: string, { filter, moved, onUnread }: EventFilters): string {
  const lines = event.split(/\r\n|\r|\n/).filter((line) => line !== '');
  const pieces = valuesOf(lines, 'data');
  if (pieces.length === 0) return event;
  const bytes = Buffer.from(pieces.join('\n'), 'latin1');
  if (hasTooManyValues(bytes, answerMarksMax)) {
    const unread = new UnreadEvent();
    unread.push(event);
    return failed(unread, tooManyValues, onUnread);
  }
  const data = bytes.toString('utf8');
  const kept = lines.filter((line) => !isField(line, 'data'));
  const withData = (text: string): string =>
    `${[...kept, `data: ${Buffer.from(text).toString('latin1')}`].join('\n')}\n\n`;
  if (moved !== null && valuesOf(lines, 'event').at(-1) === 'endpoint') return withData(moved(data));
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    return event;
  }
  const filtered = filter(value);
  return filtered === value ? event : withData(JSON.stringify(filtered));
}

function isField(line: string, name: string): boolean {
  return line === name || line.startsWith(`${name}:`);
}

function valuesOf(lines: readonly string[], name: string): string[] {
  return lines.filter((line) => isField(line, name)).map((line) => line.slice(name.length + 1).replace(/^ /, ''));
}

/** The same value where nothing was taken out. */
function withoutUnlisted(value: unknown, principal: Principal, rules: McpRules): unknown {
  if (Array.isArray(value)) {
    const filtered = value.map((message) => withoutUnlisted(message, principal, rules));
    return filtered.some((message, index) => message !== value[index]) ? filtered : value;
  }
  if (!isObject(value) || !isObject(value['result'])) return value;
  let result: JsonObject = value['result'];
  for (const { member, kind, name } of lists) {
    const list = result[member];
    if (rules[kind] === null || !Array.isArray(list)) continue;
    const kept = list.filter((item) => {
      const named = isObject(item) ? item[name] : undefined;
      return typeof named === 'string' && isListed(kind, named, principal, rules);
    });
    // The list of one caller is not that of another: no cache may hand it on.
    const scope = 'cacheScope' in result ? { cacheScope: 'private' } : {};
    if (kept.length < list.length || 'cacheScope' in result) result = { ...result, [member]: kept, ...scope };
  }
  return result === value['result'] ? value : { ...value, result };
}

const nothing = Buffer.alloc(0);
