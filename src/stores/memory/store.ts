import { noSchema, StoreError, type Store } from '../../core/store.ts';
import { listeners } from '../listeners.ts';
import { memoryDecisions } from './decisions.ts';
import { memoryEvents } from './events.ts';
import { memoryKeys } from './keys.ts';
import { memoryLimits } from './limits.ts';
import type { Memory } from './memory.ts';
import { memoryModes } from './modes.ts';
import { memoryRecords } from './records.ts';
import { memoryTokens } from './tokens.ts';
import { memoryUsage } from './usage.ts';

export interface MemoryStoreOptions {
  /** The newest decisions that are kept; 50,000. */
  readonly decisionsMax?: number;
  /** Counters, and separately one-time values, that are held at the same time; 1,000,000. */
  readonly limitsMax?: number;
}

/** For tests and trials: all is lost when the process ends. Every verb is atomic, since none waits midway. */
export function memoryStore({ decisionsMax = 50_000, limitsMax = 1_000_000 }: MemoryStoreOptions = {}): Store {
  const watching = listeners();
  let closed = false;
  const memory: Memory = {
    tell: (change) => watching.tell(change),
    async step(work) {
      if (closed) throw new StoreError('store_unavailable', 'the memory store is closed');
      return work();
    },
  };
  return {
    kind: 'memory',
    keys: memoryKeys(memory),
    tokens: memoryTokens(memory),
    modes: memoryModes(memory),
    limits: memoryLimits(memory, limitsMax),
    decisions: memoryDecisions(memory, decisionsMax),
    usage: memoryUsage(memory),
    records: memoryRecords(memory),
    events: memoryEvents(memory),
    schema: () => memory.step(() => noSchema),
    migrate: () => memory.step(() => []),
    ping: () => memory.step(() => {}),
    warnings: () => memory.step(() => []),
    watch: (listener) => watching.add(listener),
    async close() {
      closed = true;
      watching.clear();
    },
  };
}
