import type { JsonValue } from './record.ts';

/** 'events': who did what. 'decisions': the seals over batches of decisions. Each is a chain of its own. */
export type Chain = 'events' | 'decisions';

/** What stands in place of the hash before the first link of a chain. */
export const chainStart = '0'.repeat(64);

/** One link of a chain as it is kept. */
export interface EventRow {
  readonly chain: Chain;
  /** From 1, without gaps. */
  readonly sequence: number;
  /** Epoch seconds to the millisecond; never less than that of the link before. */
  readonly time: number;
  /** 'key.created', 'mode.set': a thing and what became of it. */
  readonly type: string;
  readonly actor: string;
  /** The link as JSON, the hash of the link before included: the very bytes that are hashed. */
  readonly text: string;
  /** Lower-case hex SHA-256 of `text`. */
  readonly hash: string;
}

/** Where a chain ends. */
export type ChainHead = Pick<EventRow, 'sequence' | 'time' | 'hash'>;

export interface EventFilter {
  readonly since?: number;
  readonly until?: number;
  readonly type?: string;
  readonly actor?: string;
  /**
   * Only links behind this one, oldest first: for following. -Infinity: all of them, those too whose number no link is
   * given, since whoever can write to the store may have chosen one.
   */
  readonly after?: number;
  readonly limit: number;
}

/** Chains of links that several processes add to. A link is never changed. */
export interface EventStore {
  /** Null while there is none. */
  head(chain: Chain): Promise<ChainHead | null>;
  /**
   * Adds a link while the chain ends with the one before it: number `sequence - 1`, hash `previous` (chainStart before the
   * first). False when it does not: another was faster, and the link is to be made anew.
   */
  append(row: EventRow, previous: string): Promise<boolean>;
  /** Oldest first; the newest `limit`, or with `after` the first `limit` behind it. */
  list(chain: Chain, filter: EventFilter): Promise<EventRow[]>;
  /** Removes the links up to this one, which must not be the last. Resolves to how many. */
  prune(chain: Chain, through: number): Promise<number>;
}

/** How somebody came to act. */
export type Via = 'cli' | 'http' | 'mcp' | 'server';

/** Who acts, how and from where. Never a secret. */
export interface Actor {
  /** 'operator:admin', 'cli:root', 'server:host'. */
  readonly id: string;
  readonly via: Via;
  /** An address, or the name of the machine. */
  readonly from: string;
}

/** What was done, as whoever did it says it. Never a secret, in no field. */
export interface Act {
  readonly type: `${string}.${string}`;
  /** On what: the id of a key, the scope of a mode; '' for the stack as a whole. */
  readonly subject: string;
  readonly detail?: Readonly<Record<string, JsonValue>>;
  /** Why, in the actor's words. */
  readonly reason?: string | null;
}
