import type { KeyRecord, MacKey } from '../../core/credential.ts';
import type { Store } from '../../core/store.ts';

/** A place outside the store where keys are found: a folder of files, say. */
export interface KeySource {
  /** What it is and where, for people: 'files /run/secrets/*_api_key'. */
  readonly name: string;
  /** Reads for the first time and follows from then on; a bad file is a warning, never a rejection. */
  start(onChange: () => void): Promise<void>;
  /** Reads anew at once, where more can be found now: the configuration changed. Calls onChange when something changed. */
  refresh?(): Promise<void>;
  keys(): readonly FoundKey[];
  /** What is wrong now; paths and modes, never a secret. */
  warnings(): readonly string[];
  /** Digests that were revoked at the place where the keys come from: they are dead in every source. */
  revoked?(): readonly string[];
  /** Why nothing that this source said may be relied on any more; null while it may. Asked at every look-up. */
  fault?(): string | null;
  /** Why nothing was read yet; null once it was. Until then a key that no source knows may be one of its own. */
  unread?(): string | null;
  /** Why keys that are new there are not heard of; null while they are. A key that is known nowhere may be one of them. */
  unheard?(): string | null;
  /** Session tokens that are known there, in place of those of the store. */
  readonly sessions?: SessionStore;
  close(): void;
}

/** As much of a store as the life of a session token needs. */
export type SessionStore = Pick<Store, 'tokens' | 'watch'>;

export type FoundKey = FoundApiKey | FoundMacKey | FoundRecord;

/** A caller's key from somebody else's store, with all that a stored key has. */
export interface FoundRecord {
  readonly kind: 'record';
  /** These three as in the record. */
  readonly credentialId: string;
  readonly digest: string;
  readonly service: string;
  /** The public half for ed25519 as its `material`, else null. */
  readonly record: KeyRecord;
  /** The prepared secret for hs, else null. */
  readonly key: MacKey | null;
}

/** A called service's shared key. */
export interface FoundApiKey {
  readonly kind: 'sk';
  /** Stable and not secret: 'file:embeddings_api_key'. */
  readonly credentialId: string;
  /** Lower-case hex SHA-256 of the key. */
  readonly digest: string;
  /** Proves holder:<service>. */
  readonly service: string;
  /** The only service that accepts it; null for all. */
  readonly acceptedAt: string | null;
}

/** A caller's HMAC secret, prepared; the secret itself is not kept. */
export interface FoundMacKey {
  readonly kind: 'hs';
  /** Stable and not secret: 'env:aidb.env'. */
  readonly credentialId: string;
  readonly digest: string;
  /** Proves service:<service>. */
  readonly service: string;
  readonly key: MacKey;
  /** When the place where it lies lets go of it, epoch seconds; absent: never. It counts for as long as it lies there. */
  readonly endsAt?: number;
}

/** As much of a configured service as key files need. */
export interface KeyedService {
  readonly name: string;
  /** Absolute path of its shared key, when not under the usual name. */
  readonly apiKeyFile: string | null;
}

export interface FileSourceOptions {
  /** Absolute; '*' stands for any characters within the last component. */
  readonly pattern: string;
  /** Told once of each new warning. */
  readonly onWarning: (text: string) => void;
  /** How often to look again, since watches can be lost; 5,000 ms. */
  readonly pollMillis?: number;
}
