import type { KeyRecord } from '../core/credential.ts';
import type { Store } from '../core/store.ts';
import { sha256Hex } from '../crypto/digest.ts';
import { mintedKind, wellFormed } from '../crypto/key-format.ts';
import { KeyError } from './key-error.ts';
import { unpresentable } from './secret-text.ts';

export interface RevokedKey {
  /** The stored key; null for one that is in no record, which is refused by its digest wherever it turns up. */
  readonly record: KeyRecord | null;
  /** True when it was dead before; its first revocation's time stays. */
  readonly already: boolean;
}

/**
 * Revokes by id or by the whole key, for good and in every source. Idempotent. Throws a KeyError when the text is an id of
 * no key, or cannot be a whole one: a mistyped key must not look revoked.
 */
export async function revokeKey(store: Store, idOrKey: string, now: number): Promise<RevokedKey> {
  const known = await keyToRevoke(store, idOrKey);
  if (known) {
    const record = await store.keys.revoke(known.id, now);
    return { record: record ?? known, already: known.revokedAt !== null };
  }
  const digest = sha256Hex(idOrKey);
  const already = (await store.keys.revocations()).includes(digest);
  await store.keys.revokeDigest(digest, now);
  return { record: null, already };
}

/** The stored key that revokeKey would end; null for one that is in no record. Throws as that does. */
export async function keyToRevoke(store: Store, idOrKey: string): Promise<KeyRecord | null> {
  if (!/^[0-9A-Za-z]{10}$/.test(idOrKey)) return (await store.keys.byDigest(sha256Hex(wholeKey(idOrKey)))) ?? null;
  const known = await store.keys.get(idOrKey);
  if (!known) throw new KeyError('unknown_key', `there is no key ${idOrKey}`);
  return known;
}

function wholeKey(text: string): string {
  if (/^(?:file|env):/.test(text))
    throw new KeyError('invalid_key', 'a key from a file has no id to revoke: give the whole key, or remove the file');
  const fault = unpresentable(text);
  if (fault) throw new KeyError('invalid_key', `the key ${fault}`);
  const kind = mintedKind(text);
  if (kind !== null && !wellFormed(text))
    throw new KeyError('invalid_key', 'the key is cut off or mistyped: its check does not match');
  if (kind === 'st' || kind === 'ad')
    throw new KeyError(
      'invalid_key',
      kind === 'st' ? 'this is a session token: use tokens revoke' : 'this is an admin token, not a key',
    );
  return text;
}
