import type { DecisionRow, UsageStore } from '../core/store.ts';
import { usesKeptMax } from '../core/store.ts';
import type { KeyUse } from '../core/credential.ts';
import type { Reason } from '../core/verdict.ts';

/** Remembers when each key was used, by whom and from where, and brings it to the store behind the requests' backs. */
export interface KeyUsage {
  /** A decision, as it is kept: counts if it shows that a key which is in force was used by who has it. */
  decided(row: DecisionRow): void;
  /** A use outside service routes. `time`: epoch seconds. */
  used(credentialId: string, caller: string, clientAddress: string, time: number): void;
  /** Resolves when what was counted before is in the store, or when the store refused it; never rejects. */
  flush(): Promise<void>;
  /** Flushes and stops. */
  close(): Promise<void>;
}

type Counted = { -readonly [Field in keyof KeyUse]: KeyUse[Field] };

const flushMillis = 2000;
const batchRows = 500;

/** Of the refusals, those in which only a rule objected. A stranger may replay what is expired, stale or used up. */
const usedAllTheSame: ReadonlySet<string> = new Set<Reason>([
  'not_allowed',
  'insufficient_scope',
  'address_not_allowed',
  'tool_not_allowed',
  'rate_limited',
]);

export function keyUsage(store: UsageStore): KeyUsage {
  /** By credential, then address: nothing is built for a use that was seen before. There are as many credentials as keys. */
  let counted = new Map<string, Map<string, Counted>>();
  let timer: NodeJS.Timeout | null = null;
  let writing: Promise<void> | null = null;
  let closed = false;

  function used(credentialId: string, caller: string, clientAddress: string, time: number): void {
    const use = counted.get(credentialId)?.get(clientAddress);
    if (use?.caller === caller) {
      use.count += 1;
      if (time > use.lastUsed) use.lastUsed = time;
    } else remember({ credentialId, caller, clientAddress, firstUsed: time, lastUsed: time, count: 1 });
    if (timer === null && !closed) later();
  }

  function remember(use: Counted): void {
    let places = counted.get(use.credentialId);
    if (!places) counted.set(use.credentialId, (places = new Map()));
    const before = places.get(use.clientAddress);
    if (before?.caller === use.caller) {
      before.count += use.count;
      before.firstUsed = Math.min(before.firstUsed, use.firstUsed);
      before.lastUsed = Math.max(before.lastUsed, use.lastUsed);
      return;
    }
    places.set(use.clientAddress, use);
    // One key in many hands must not crowd out what is known of the others.
    if (places.size > usesKeptMax) places.delete(longestAgo(places));
  }

  function later(): void {
    timer = setTimeout(() => void write(), flushMillis);
    timer.unref();
  }

  function write(): Promise<void> {
    if (timer) clearTimeout(timer);
    timer = null;
    writing ??= writeAll().finally(() => (writing = null));
    return writing;
  }

  async function writeAll(): Promise<void> {
    const uses = [...counted.values()].flatMap((places) => [...places.values()]);
    counted = new Map();
    for (let start = 0; start < uses.length; start += batchRows) {
      try {
        await store.add(uses.slice(start, start + batchRows));
      } catch {
        // What is counted twice after an answer that was lost does no harm; a use that is forgotten would.
        for (const use of uses.slice(start)) remember(use);
        if (!closed && timer === null) later();
        return;
      }
    }
  }

  return {
    used,
    decided(row) {
      const { principal, reason, credentialId, scheme } = row;
      // There is another certificate every day: nobody asks which of them was used, and nobody would clear them away.
      if (scheme === 'client-certificate') return;
      if (!isKeyHolder(principal) || (reason !== '' && !usedAllTheSame.has(reason))) return;
      used(credentialId, principal, row.clientAddress, row.time);
    },
    async flush() {
      await writing;
      await write();
    },
    async close() {
      closed = true;
      await writing;
      await write();
    },
  };
}

/** Looked for only where there are too many places: keeping them in order would cost every use of every key something. */
function longestAgo(places: ReadonlyMap<string, Counted>): string {
  let [place, time] = ['', Infinity];
  for (const [each, { lastUsed }] of places) if (lastUsed < time) [place, time] = [each, lastUsed];
  return place;
}

/** Session tokens live for hours, and their decisions tell of them; keys live for months. */
export function isKeyHolder(principal: string): boolean {
  return principal.startsWith('service:') || principal.startsWith('holder:');
}
