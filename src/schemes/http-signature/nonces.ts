import { sha256Binary } from '../../crypto/digest.ts';
import { randomSecret } from '../../crypto/random.ts';

export interface NoncesOptions {
  /** How long a nonce must be remembered, seconds; asked at every turn, since a configuration may change. */
  readonly lifeSeconds: () => number;
  /** How many a generation may take; a generation lasts one life. */
  readonly capacity: number;
}

/**
 * Nonces seen, in two generations that rotate: a nonce is remembered for at least one whole life, is never evicted early, and
 * when a generation is full new ones are refused, since forgetting would open a hole.
 */
export interface Nonces {
  /** 'fresh' exactly once for each key and nonce within a life. */
  use(credentialId: string, nonce: string, now: number): 'fresh' | 'replayed' | 'full';
  /** How many are held, those of the generation before included. */
  readonly size: number;
  /** Memory held by the tables. */
  readonly bytes: number;
}

interface Generation {
  readonly tables: Table[];
  count: number;
}

/** Open addressing over a flat array: two words a slot, the second zero where it is empty. */
interface Table {
  slots: Uint32Array;
  count: number;
}

/** Many small tables instead of one, each growing by itself: growing one of a million entries would hold up every request. */
const tableBits = 8;
const slotsMin = 16;

export function nonces({ lifeSeconds, capacity }: NoncesOptions): Nonces {
  // Unknown outside, so that nobody can choose nonces that crowd together in a table.
  const salt = randomSecret(8).toString('hex');
  /** Of the key that was used last, which is often that of the next one, too: putting texts together costs a fifth of the hashing. */
  let [lastId, prefix] = ['', `${salt}\n`];
  let current = generation();
  let previous = generation();
  let began = Number.NEGATIVE_INFINITY;

  function rotate(now: number): void {
    const life = lifeSeconds();
    if (now - began < life) return;
    previous = now - began < 2 * life ? current : generation();
    current = generation();
    began = now;
  }

  return {
    use(credentialId, nonce, now) {
      rotate(now);
      // A line break stands in neither, so no two pairs make one text.
      if (credentialId !== lastId) [lastId, prefix] = [credentialId, `${salt}${credentialId}\n`];
      const digest = sha256Binary(prefix + nonce);
      const high = wordOf(digest, 0);
      // Zero marks an empty slot.
      const low = wordOf(digest, 4) || 1;
      const table = high >>> (32 - tableBits);
      if (holds(previous.tables[table], high, low) || holds(current.tables[table], high, low)) return 'replayed';
      if (current.count >= capacity) return 'full';
      insert(tableOf(current, table), high, low);
      current.count += 1;
      return 'fresh';
    },
    get size() {
      return current.count + previous.count;
    },
    get bytes() {
      return bytesOf(current) + bytesOf(previous);
    },
  };
}

/** Four bytes as an unsigned number. */
function wordOf(digest: string, at: number): number {
  const [high, low] = [halfOf(digest, at), halfOf(digest, at + 2)];
  return ((high << 16) | low) >>> 0;
}

function halfOf(digest: string, at: number): number {
  return (digest.charCodeAt(at) << 8) | digest.charCodeAt(at + 1);
}

function generation(): Generation {
  return { tables: [], count: 0 };
}

function tableOf(one: Generation, index: number): Table {
  return (one.tables[index] ??= { slots: new Uint32Array(slotsMin * 2), count: 0 });
}

function holds(table: Table | undefined, high: number, low: number): boolean {
  if (!table) return false;
  const { slots } = table;
  const slot = slotOf(slots, high, low);
  return slots[slot] === high && slots[slot + 1] === low;
}

function insert(table: Table, high: number, low: number): void {
  // At three quarters, while a look-up still ends after a few steps.
  if (table.count * 8 >= table.slots.length * 3) grow(table);
  const slot = slotOf(table.slots, high, low);
  table.slots[slot] = high;
  table.slots[slot + 1] = low;
  table.count += 1;
}

/** Where the entry stands, or the empty slot where it would; the low word of an entry is never zero. */
function slotOf(slots: Uint32Array, high: number, low: number): number {
  const mask = slots.length - 1;
  let slot = (low * 2) & mask;
  while (slots[slot + 1] !== 0 && (slots[slot + 1] !== low || slots[slot] !== high)) slot = (slot + 2) & mask;
  return slot;
}

function grow(table: Table): void {
  const { slots } = table;
  const larger = new Uint32Array(slots.length * 2);
  for (let index = 0; index < slots.length; index += 2) {
    const high = slots[index] as number;
    const low = slots[index + 1] as number;
    if (low === 0) continue;
    const slot = slotOf(larger, high, low);
    larger[slot] = high;
    larger[slot + 1] = low;
  }
  table.slots = larger;
}

function bytesOf({ tables }: Generation): number {
  return tables.reduce((sum, table) => sum + (table?.slots.byteLength ?? 0), 0);
}
