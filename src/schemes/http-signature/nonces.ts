/**
 * Nonces seen, in two generations that rotate: a nonce is remembered for at least one whole generation, is never evicted
 * early, and when a generation is full new ones are refused, since forgetting would open a hole. An entry is 64 bits of the
 * MAC that was just verified (a free fingerprint, spread evenly, which a caller cannot choose), in open addressing over a
 * flat array: a million take 16 MiB a generation at a quarter's slack.
 */
export interface Nonces {
  /** 'fresh' exactly once for each fingerprint within the life of a generation. */
  use(high: number, low: number, now: number): 'fresh' | 'replayed' | 'full';
  readonly size: number;
  /** Memory held by the tables. */
  readonly bytes: number;
}

interface Generation {
  slots: Uint32Array;
  count: number;
}

const slotsMin = 1024;

export function nonces(options: { lifeSeconds: number; capacity: number }): Nonces {
  const { lifeSeconds, capacity } = options;
  let current = generation(slotsMin);
  let previous = generation(slotsMin);
  let began = Number.NEGATIVE_INFINITY;

  function rotate(now: number): void {
    if (now - began < lifeSeconds) return;
    previous = now - began < 2 * lifeSeconds ? current : generation(slotsMin);
    current = generation(slotsMin);
    began = now;
  }

  return {
    use(high, low, now) {
      rotate(now);
      // Zero marks an empty slot.
      const [a, b] = high === 0 && low === 0 ? [0, 1] : [high >>> 0, low >>> 0];
      if (holds(previous, a, b) || holds(current, a, b)) return 'replayed';
      if (current.count >= capacity) return 'full';
      if (current.count * 4 >= (current.slots.length / 2) * 3) current = grown(current);
      insert(current, a, b);
      return 'fresh';
    },
    get size() {
      return current.count + previous.count;
    },
    get bytes() {
      return current.slots.byteLength + previous.slots.byteLength;
    },
  };
}

function generation(slots: number): Generation {
  return { slots: new Uint32Array(slots * 2), count: 0 };
}

function holds({ slots }: Generation, high: number, low: number): boolean {
  const mask = slots.length / 2 - 1;
  for (let slot = low & mask; ; slot = (slot + 1) & mask) {
    const a = slots[slot * 2];
    const b = slots[slot * 2 + 1];
    if (a === 0 && b === 0) return false;
    if (a === high && b === low) return true;
  }
}

function insert(into: Generation, high: number, low: number): void {
  const { slots } = into;
  const mask = slots.length / 2 - 1;
  let slot = low & mask;
  while (slots[slot * 2] !== 0 || slots[slot * 2 + 1] !== 0) slot = (slot + 1) & mask;
  slots[slot * 2] = high;
  slots[slot * 2 + 1] = low;
  into.count += 1;
}

function grown(from: Generation): Generation {
  const larger = generation(from.slots.length);
  for (let index = 0; index < from.slots.length; index += 2) {
    const [high, low] = [from.slots[index] as number, from.slots[index + 1] as number];
    if (high !== 0 || low !== 0) insert(larger, high, low);
  }
  return larger;
}
