import { isObject, type JsonObject } from '../../core/mcp-messages.ts';
import { hasRules, isListed, type McpKind, type McpRules } from '../../core/mcp-rules.ts';
import type { Principal } from '../../core/verdict.ts';
import { badResponse } from '../upstream/fault.ts';
import { callersEndpoint } from './endpoint.ts';
import type { RulesInForce } from './judged.ts';

/** Takes what a caller may not use out of the lists in an upstream's answer. */
export interface ListFilter {
  /** True when nothing may go out before all of it has come in. */
  readonly whole: boolean;
  /** Returns what may go out now; empty for nothing yet. Throws an UpstreamError on what cannot be looked into. */
  push(bytes: Buffer): Buffer;
  end(): Buffer;
}

/** Of one answer, and of one event of a stream. */
const messageBytesMax = 16 * 1024 * 1024;

/** Where a result lists things, and by what each is named. Templates are patterns of URIs: reading is judged, not they. */
const lists: readonly { readonly member: string; readonly kind: McpKind; readonly name: string }[] = [
  { member: 'tools', kind: 'tools', name: 'name' },
  { member: 'resources', kind: 'resources', name: 'uri' },
  { member: 'prompts', kind: 'prompts', name: 'name' },
];

/**
 * For an answer with these header lines (names and values); null where its type holds no messages. Throws an UpstreamError on a
 * compressed one: none was asked for.
 */
export function listFilter(lines: readonly string[], inForce: RulesInForce): ListFilter | null {
  const { principal, rules, endpoint } = inForce;
  const coding = valueOf(lines, 'content-encoding');
  const type = valueOf(lines, 'content-type').split(';', 1)[0]?.trim().toLowerCase() ?? '';
  const isStream = type === 'text/event-stream';
  if (!isStream && type !== 'application/json' && !type.endsWith('+json')) return null;
  if (!hasRules(rules) && (!isStream || endpoint === null)) return null;
  if (coding !== '' && coding !== 'identity') throw badResponse(`an encoding that was not asked for (${coding})`);
  const filter = (value: unknown): unknown => withoutUnlisted(value, principal, rules);
  if (!isStream) return documentFilter(filter);
  const moved = endpoint === null ? null : (data: string) => callersEndpoint(data, endpoint, inForce);
  return eventFilter({ filter, moved });
}

type Filter = (value: unknown) => unknown;

interface EventFilters {
  readonly filter: Filter;
  /** Of the data of an `endpoint` event; null where that is an event like any other. */
  readonly moved: ((data: string) => string) | null;
}

function documentFilter(filter: Filter): ListFilter {
  const pieces: Buffer[] = [];
  let size = 0;
  return {
    whole: true,
    push(bytes) {
      size += bytes.length;
      if (size > messageBytesMax) throw badResponse('a body too large to be looked into');
      pieces.push(Buffer.from(bytes));
      return nothing;
    },
    end() {
      const source = Buffer.concat(pieces);
      if (source.length === 0) return source;
      let value: unknown;
      try {
        value = JSON.parse(source.toString('utf8'));
      } catch {
        throw badResponse('a body that is no JSON');
      }
      const filtered = filter(value);
      return filtered === value ? source : Buffer.from(JSON.stringify(filtered));
    },
  };
}

const byteOrderMark = '\xef\xbb\xbf';

/** Event streams (WHATWG HTML §9.2.6): lines end in CR, LF or both, an event in an empty line. */
function eventFilter(filters: EventFilters): ListFilter {
  // Kept as one character a byte, so that a cut within a character does no harm; in pieces, so that none is looked at twice.
  let pieces: string[] = [];
  let size = 0;
  /** The last characters of the pieces: an empty line may begin there. */
  let tail = '';
  let atStart = true;
  let skipsFeed = false;
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
        let event = pieces.join('') + text.slice(0, cut);
        // Readers take it off, and the first line with it would be one that we do not know.
        if (atStart && event.startsWith(byteOrderMark)) event = event.slice(byteOrderMark.length);
        out += filteredEvent(event, filters);
        atStart = false;
        skipsFeed = event.endsWith('\r') && text.length === cut;
        text = text.slice(event.endsWith('\r') && text[cut] === '\n' ? cut + 1 : cut);
        [pieces, size, tail] = [[], 0, ''];
      }
      if (text !== '') {
        skipsFeed = false;
        pieces.push(text);
        size += text.length;
        tail = (tail + text).slice(-3);
      }
      if (size > messageBytesMax) throw badResponse('an event too large to be looked into');
      return out === '' ? nothing : Buffer.from(out, 'latin1');
    },
    // An event without its end is none (§9.2.6): it is told to nobody.
    end: () => nothing,
  };
}

/** Behind the empty line that ends the first event; -1 for none yet. */
function eventEnd(text: string): number {
  const found = /(?:\r\n|\r(?!\n)|\n)(?:\r\n|\r|\n)/.exec(text);
  return found === null ? -1 : found.index + found[0].length;
}

function filteredEvent(event: string, { filter, moved }: EventFilters): string {
  const lines = event.split(/\r\n|\r|\n/).filter((line) => line !== '');
  const pieces = valuesOf(lines, 'data');
  if (pieces.length === 0) return event;
  const data = Buffer.from(pieces.join('\n'), 'latin1').toString('utf8');
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

function valueOf(lines: readonly string[], name: string): string {
  const values: string[] = [];
  for (let index = 0; index < lines.length; index += 2)
    if (lines[index]?.toLowerCase() === name) values.push(lines[index + 1] ?? '');
  return values.join(', ').trim();
}

const nothing = Buffer.alloc(0);
