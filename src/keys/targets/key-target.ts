import type { KeyKind, KeyRecord } from '../../core/credential.ts';
import { sha256Hex } from '../../crypto/digest.ts';
import { ed25519PublicOf } from '../../crypto/ed25519.ts';

/** Where a caller reads its key. It holds one at a time. */
export interface KeyTarget {
  /** What it is and where, for people: 'the file /etc/aidb/key'. */
  readonly name: string;
  /** How long what is put there stays, if nothing replaces it; absent: for ever. */
  readonly lifeSeconds?: number;
  /** Rejects with a KeyError ('not_delivered') when a key of this kind could not be put there now: asked before one is made. */
  ready(kind: KeyKind): Promise<void>;
  /** Puts the key there whole or not at all. Rejects with a KeyError ('not_delivered') that says what to do. */
  put(key: string, record: KeyRecord): Promise<void>;
  /** What is there now, as it is written there; null for nothing. Rejects with a KeyError when it cannot be looked at. */
  held(): Promise<string | null>;
}

/** Whether this is the secret of that key. Compared by digest: the secret itself is kept nowhere. */
export function isSecretOf(text: string, { kind, digest }: KeyRecord): boolean {
  if (kind !== 'ed25519') return sha256Hex(text) === digest;
  try {
    return sha256Hex(ed25519PublicOf(text)) === digest;
  } catch {
    return false;
  }
}
