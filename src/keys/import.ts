import type { KeyRecord } from '../core/credential.ts';
import { hasCode, type Store } from '../core/store.ts';
import { messageOf } from '../core/message-of.ts';
import { sha256Hex } from '../crypto/digest.ts';
import { ed25519PublicPem } from '../crypto/ed25519.ts';
import { idOf, mintedKind, mintId } from '../crypto/key-format.ts';
import type { Seal } from '../crypto/seal.ts';
import { checkOrder, recordOfPublicKey, recordOfSecret, type KeyOrder, type SecretKind } from './create.ts';
import { KeyError } from './key-error.ts';
import { requireKnownSeal } from './known-seal.ts';
import { mintedFault, pastedWith, secretLengthMin, unpresentable, weakness } from './secret-text.ts';

export interface ImportOrder extends KeyOrder {
  /** The key as written, without the newline that ended it; of a key pair the public half, as PEM. */
  readonly secret: string;
}

export interface Imported {
  readonly record: KeyRecord;
  /** What the operator should know of the key's form and strength; null when there is nothing to say. */
  readonly warning: string | null;
}

/**
 * Takes over a key that is in use already. Throws a KeyError: for one that no header could carry, that is too short, cut
 * off, of another kind, known already (naming the id), or revoked once: what was revoked stays dead.
 */
export async function importKey(store: Store, seal: Seal, order: ImportOrder): Promise<Imported> {
  checkOrder(order);
  const { secret, kind } = order;
  const { digest, recordOf, warning } =
    kind === 'ed25519' ? publicKey(order, secret) : secretKey(seal, { ...order, kind });
  const known = await store.keys.byDigest(digest);
  if (known) throw duplicate(known);
  if ((await store.keys.revocations()).includes(digest))
    throw new KeyError('revoked_key', 'this key was revoked and cannot be used again: create a new one');
  await requireKnownSeal(store, seal, kind, order.now);
  const record = recordOf();
  try {
    await store.keys.insert(record);
  } catch (error) {
    if (!hasCode(error, 'duplicate')) throw error;
    throw duplicate((await store.keys.byDigest(digest)) ?? record);
  }
  return { record, warning };
}

interface Candidate {
  readonly digest: string;
  readonly recordOf: () => KeyRecord;
  readonly warning: string | null;
}

function secretKey(seal: Seal, order: ImportOrder & { readonly kind: SecretKind }): Candidate {
  const { secret, kind } = order;
  const fault = unpresentable(secret) ?? mintedFault(secret, kind);
  if (fault) throw new KeyError('invalid_key', `the key ${fault}`);
  if (secret.length < secretLengthMin)
    throw new KeyError(
      'invalid_key',
      `the key has ${secret.length} characters; at least ${secretLengthMin} are needed`,
    );
  const weak = weakness(secret);
  const pasted = pastedWith(secret);
  return {
    digest: sha256Hex(secret),
    // A key of ours keeps the id that is written in it.
    recordOf: () => recordOfSecret(seal, order, mintedKind(secret) === null ? mintId() : idOf(secret), secret, true),
    warning: pasted ? `the key ${pasted}` : weak && `the key ${weak}: replace it soon with one from "keys create"`,
  };
}

function publicKey(order: ImportOrder, text: string): Candidate {
  try {
    const pem = ed25519PublicPem(text);
    return { digest: sha256Hex(pem), recordOf: () => recordOfPublicKey(order, pem, true), warning: null };
  } catch (error) {
    const words = messageOf(error);
    throw new KeyError('invalid_key', `${words}; make it with: openssl pkey -in private.pem -pubout`);
  }
}

function duplicate(known: KeyRecord): KeyError {
  const state = known.revokedAt === null ? '' : ', and was revoked';
  return new KeyError('duplicate_key', `this key is known already: ${known.id} of ${known.service}${state}`);
}
