import type { Clock } from '../../core/clock.ts';
import type { Keyring } from '../../core/credential.ts';
import type { Store } from '../../core/store.ts';
import type { Principal } from '../../core/verdict.ts';
import type { Seal } from '../../crypto/seal.ts';
import { audience } from '../../core/audience.ts';
import { endsElsewhere } from '../ends-elsewhere.ts';
import { followKeys } from './follow-keys.ts';
import { KeyError } from '../key-error.ts';
import { keyIndex, type KeyExpiry, type KeyIndex } from './key-index.ts';
import type { FoundKey, KeySource } from '../sources/key-source.ts';

/** Every key source in one index. All are read before the keyring is handed out; what changes later is followed. */
export interface LiveKeyring extends Keyring {
  /** How many keys are known, revoked and expired ones too. */
  readonly size: number;
  /** Whether this credential would still be accepted; by the credentialId of its principal. */
  isLive(credentialId: string): boolean;
  /** The same of the very key behind a principal: a file whose key was replaced keeps its credentialId. */
  holds(principal: Principal): boolean;
  /** When the key behind a principal ends as things stand now, epoch seconds; null for never. */
  endOf(principal: Principal): number | null;
  /** Told after every change, so that open streams can be checked. Returns how to stop. */
  onChange(listener: () => void): () => void;
  /** For metrics: service, credential id and end of every key that ends and is not revoked, also of what only lies elsewhere so long. */
  expiries(): KeyExpiry[];
  /** What the operator should know: a file with wrong permissions, one that matches no service. */
  readonly warnings: readonly string[];
  /** Since when the keys of the store are known to be behind it, by performance.now(); null while they are level. */
  behindSince(): number | null;
  /** Why new keys of a source are not heard of; null while they are. */
  unheard(): string | null;
  /** What the sources besides the store have found, in their order. */
  found(): readonly FoundKey[];
  close(): void;
}

export interface KeyringOptions {
  readonly store: Store;
  readonly seal: Seal;
  /** In order: of two that hold one secret the first counts, and the store before all. */
  readonly sources: readonly KeySource[];
  readonly clock: Clock;
  /** Told once of each new warning that is not a source's own. */
  readonly onWarning: (text: string) => void;
}

/**
 * Rejects when the store cannot be read at the start. Later outages leave the snapshot as it was: keys that were good stay
 * good, and what was missed is read when the store is back.
 */
export async function keyring(options: KeyringOptions): Promise<LiveKeyring> {
  const { store, sources, clock, onWarning } = options;
  const index = keyIndex(options.seal);
  const listeners = audience<void>();
  let told: readonly string[] = [];

  function changed(): void {
    const now = index.warnings();
    for (const text of now) if (!told.includes(text)) onWarning(text);
    told = now;
    listeners.tell();
  }

  function found(): readonly FoundKey[] {
    return sources.flatMap((source) => source.keys());
  }

  function expiriesElsewhere(): KeyExpiry[] {
    const living = found().filter(({ digest }) => !index.isRevoked(digest));
    return endsElsewhere(living).map(({ id, service, expiresAt }) => ({
      service,
      credentialId: id,
      expiresAt,
      replaced: false,
    }));
  }

  /** Throws while what a source said cannot be relied on: a revocation may have been missed, which beats every other source. */
  const fallible = sources.filter((source) => source.fault !== undefined);
  function trusted(): KeyIndex {
    for (const source of fallible) {
      const fault = source.fault?.() ?? null;
      if (fault !== null) throw new KeyError('keys_unavailable', `${source.name}: ${fault}`);
    }
    return index;
  }

  /** To be without keys is no answer while a source has not been read: they may be there. */
  function certain<Entry>(entries: readonly Entry[]): readonly Entry[] {
    if (entries.length > 0) return entries;
    for (const source of sources) {
      const why = source.unread?.() ?? null;
      if (why !== null) throw new KeyError('keys_unavailable', `${source.name}: ${why}`);
    }
    return entries;
  }

  function sourcesChanged(): void {
    for (const source of sources) for (const digest of source.revoked?.() ?? []) index.putRevoked(digest);
    index.putFound(found());
    changed();
  }

  const following = followKeys({ store, index, onChange: changed, onWarning });
  try {
    await following.ready;
    for (const source of sources) await source.start(sourcesChanged);
  } catch (error) {
    following.close();
    for (const source of sources) source.close();
    throw error;
  }
  sourcesChanged();

  return {
    apiKey: (digest) => trusted().apiKey(digest),
    macKeys: (serviceId) => certain(trusted().macKeys(serviceId)),
    signatureKeys: (keyid) => certain(trusted().signatureKeys(keyid)),
    found,
    behindSince: following.behindSince,
    unheard() {
      for (const source of sources) {
        const why = source.unheard?.() ?? null;
        if (why !== null) return `${source.name}: ${why}`;
      }
      return null;
    },
    get size() {
      return index.size;
    },
    isLive: (credentialId) => index.isLive(credentialId, clock()),
    holds: (principal) => index.holds(principal, clock()),
    endOf: (principal) => index.endOf(principal),
    onChange: (listener) => listeners.add(listener),
    expiries: () => [...index.expiries(clock()), ...expiriesElsewhere()],
    get warnings() {
      return [...index.warnings(), ...sources.flatMap((source) => source.warnings())];
    },
    close() {
      following.close();
      for (const source of sources) source.close();
      listeners.clear();
    },
  };
}
