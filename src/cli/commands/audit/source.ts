import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Chain, EventRow } from '../../../core/event.ts';
import type { Store } from '../../../core/store.ts';
import type { KeptDecision } from '../../../audit/chain/seal.ts';
import { contentOf } from '../../../audit/chain/verify-chain.ts';
import { storedDecisions } from '../../../audit/chain/verify-decisions.ts';
import { sha256Hex } from '../../../crypto/digest.ts';
import { codeOf, refused } from '../../failure.ts';

/** Where an audit is verified: a store, or a file that was exported from one. */
export interface AuditSource {
  links(chain: Chain): AsyncIterable<EventRow>;
  decisionsBehind(after: number, limit: number): Promise<readonly KeptDecision[]>;
  /** Whether decisions and their seals are in it at all: an export may leave them out. */
  readonly hasDecisions: boolean;
  /** Only where the order is anybody's. */
  comesLater?(chain: Chain, sequence: number): boolean;
}

const page = 500;

export function storeSource({ events, decisions }: Store): AuditSource {
  return {
    async *links(chain) {
      let last: EventRow | null = null;
      for (;;) {
        // From the last one on again: a second one of its number must not fall between two pages.
        const rows: EventRow[] = await events.list(chain, { after: last ? last.sequence - 1 : -Infinity, limit: page });
        const had = rows.findIndex(({ sequence, hash }) => sequence === last?.sequence && hash === last.hash);
        yield* rows.toSpliced(had, had < 0 ? 0 : 1);
        if (rows.length < page) return;
        last = rows.at(-1) ?? null;
      }
    },
    decisionsBehind: storedDecisions(decisions),
    hasDecisions: true,
  };
}

const linkForm = /^(\{.*),"hash":"([0-9a-f]{64})"\}$/s;

/** Decisions are held in memory, links are read from the file each time. Throws a Failure when it is no export. */
export async function fileSource(file: string): Promise<AuditSource> {
  const held = { events: new Set<number>(), decisions: new Set<number>() };
  const rows: KeptDecision[] = [];
  let number = 0;
  for await (const line of linesOf(file)) {
    number += 1;
    const read = readLine(line);
    if (read === null) throw refused(`${file}: line ${number} is no line of an export`);
    if ('hash' in read) held[read.chain].add(read.sequence);
    else rows.push(read);
  }
  const inOrder = rows.toSorted((a, b) => a.sequence - b.sequence);
  return {
    async *links(chain) {
      for await (const line of linesOf(file)) {
        const read = readLine(line);
        if (read && 'hash' in read && read.chain === chain) yield read;
      }
    },
    async decisionsBehind(after, limit) {
      let [low, high] = [0, inOrder.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if ((inOrder[middle]?.sequence ?? 0) > after) high = middle;
        else low = middle + 1;
      }
      return inOrder.slice(low, low + limit);
    },
    hasDecisions: rows.length > 0 || held.decisions.size > 0,
    comesLater: (chain, sequence) => held[chain].has(sequence),
  };
}

async function* linesOf(file: string): AsyncGenerator<string> {
  try {
    for await (const line of createInterface({ input: createReadStream(file, 'utf8'), crlfDelay: Infinity }))
      if (line !== '') yield line;
  } catch (error) {
    throw refused(`${file} cannot be read (${codeOf(error) ?? String(error)})`);
  }
}

/** Null for what is neither a link nor a decision. */
function readLine(line: string): EventRow | KeptDecision | null {
  const [, begun, hash = ''] = linkForm.exec(line) ?? [];
  if (begun !== undefined) return linkIn(`${begun}}`, hash);
  try {
    const { decision } = JSON.parse(line) as { decision?: KeptDecision };
    return typeof decision?.sequence === 'number' ? decision : null;
  } catch {
    return null;
  }
}

function linkIn(line: string, hash: string): EventRow | null {
  const text = hashedText(line, hash);
  const content = contentOf(text);
  if (!content) return null;
  const { sequence, time, type, actor } = content;
  const chain = type.startsWith('seal.') ? 'decisions' : 'events';
  return { chain, sequence, time: Date.parse(time) / 1000, type, actor, text, hash };
}

/** The Arabic letter mark is an escape in each line; in the text of an older link it stands, and was hashed, as it is. */
function hashedText(line: string, hash: string): string {
  if (!line.includes(String.raw`\u061c`) || sha256Hex(line) === hash) return line;
  const older = line.replace(/\\(?:u061c|.)/gs, (escape) => (escape === String.raw`\u061c` ? '\u061c' : escape));
  return sha256Hex(older) === hash ? older : line;
}
