import type { Store } from '../../core/store.ts';
import { messageOf } from '../../core/message-of.ts';
import type { KeyIndex } from './key-index.ts';

export interface FollowKeysOptions {
  readonly store: Store;
  readonly index: KeyIndex;
  /** After the index was told of something new. */
  readonly onChange: () => void;
  readonly onWarning: (text: string) => void;
}

const retryMillis = 500;

/**
 * Keeps the index level with the store. One reader at a time: two answers about one key could otherwise arrive in the
 * wrong order and leave the older one standing. What could not be read is asked again until it can.
 */
export function followKeys({ store, index, onChange, onWarning }: FollowKeysOptions): {
  /** Resolves when everything was read for the first time; rejects when it could not be. */
  readonly ready: Promise<void>;
  /** Since when the index is known to be behind: a resync or a failed reading that is not made good; by performance.now(). */
  behindSince(): number | null;
  close(): void;
} {
  let everything = true;
  let ids = new Set<string>();
  let reading = false;
  let away = false;
  let closed = false;
  let retry: NodeJS.Timeout | null = null;
  let behindSince: number | null = null;
  /** The digests that the store is known to have. They are never taken back. */
  const revoked = new Set<string>();
  /** When the oldest change was heard that is not read yet. */
  let heardAt: number | null = null;

  // Watching begins before the first reading, so that nothing falls between the two.
  const stop = store.watch(({ topic, id }) => {
    if (topic === 'resync') {
      everything = true;
      behindSince ??= performance.now();
    } else if (topic === 'keys') ids.add(id);
    else if (topic === 'revocations') {
      // Needs no reading, and must not wait for one that is slow or fails.
      revoked.add(id);
      index.putRevoked(id);
      onChange();
      return;
    } else return;
    heardAt ??= performance.now();
    void follow();
  });

  async function follow(): Promise<void> {
    if (reading) return;
    if (retry) clearTimeout(retry);
    try {
      await readAll();
      if (away) onWarning('the store answers again, and the keys in memory are up to date');
      away = false;
    } catch (error) {
      if (closed) return;
      behindSince ??= heardAt;
      const words = messageOf(error);
      if (!away) onWarning(`keys cannot be read from the store, those in memory stay in use: ${words}`);
      away = true;
      retry = setTimeout(() => void follow(), retryMillis);
      retry.unref();
    }
  }

  async function readAll(): Promise<void> {
    reading = true;
    try {
      while (everything || ids.size > 0) {
        await readOnce();
        onChange();
      }
      [behindSince, heardAt] = [null, null];
    } finally {
      reading = false;
    }
  }

  async function readOnce(): Promise<void> {
    const was = { everything, ids };
    [everything, ids] = [false, new Set()];
    try {
      if (was.everything) await readEverything();
      else {
        for (const id of was.ids) index.putRecord(id, await store.keys.get(id));
      }
    } catch (error) {
      everything ||= was.everything;
      for (const id of was.ids) ids.add(id);
      throw error;
    }
  }

  /** A page at a time: there may be a hundred thousand keys, and requests to answer meanwhile. */
  async function readEverything(): Promise<void> {
    const seen = new Set<string>();
    const before = [...revoked];
    const digests = new Set(await store.keys.revocations());
    for (const digest of digests) index.putRevoked(digest);
    for await (const page of store.keys.pages())
      for (const record of page) {
        seen.add(record.id);
        index.putRecord(record.id, record);
      }
    const keys = index.keepOnly(seen);
    const lost = before.filter((digest) => !digests.has(digest));
    for (const digest of lost) revoked.delete(digest);
    for (const digest of digests) revoked.add(digest);
    if (keys + lost.length > 0) onWarning(lostWords(keys, lost.length));
  }

  return {
    ready: readAll(),
    behindSince: () => behindSince,
    close() {
      closed = true;
      stop();
      [everything, ids] = [false, new Set()];
      if (retry) clearTimeout(retry);
    },
  };
}

/** What this process knows as revoked stays so; one that starts anew asks the store alone. */
function lostWords(keys: number, revocations: number): string {
  const counted = (count: number, one: string): string => `${count} ${one}${count === 1 ? '' : 's'}`;
  return `the store has lost ${counted(keys, 'key')} and ${counted(revocations, 'revocation')} that it had: after a restart of this server a revoked key lives again where the store or a file has it; restore a backup, or make the keys and revoke anew`;
}
