import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from 'node:crypto';

/**
 * Secrets at rest: AES-256-GCM under a master key that is not in the store. The credential's id, service and kind are
 * associated data, so that a sealed secret cannot be moved to another row.
 */
export interface Seal {
  seal(secret: string, context: SealContext): string;
  /** Throws a SealError when the master key is another one or the row was changed. */
  open(sealed: string, context: SealContext): string;
}

export interface SealContext {
  readonly id: string;
  readonly service: string;
  readonly kind: string;
}

/**
 * Where records of one kind hold sealed text, said by the room that seals it, so that a copy can be opened here and sealed anew
 * under another master key.
 */
export interface SealedRecords {
  /** Of the records. */
  readonly kind: string;
  /** The names that lead to each sealed text; nothing has to be there. */
  readonly places: readonly (readonly string[])[];
  context(id: string, value: unknown): SealContext;
}

export class SealError extends Error {
  readonly code = 'seal_broken';
}

const version = 'v1';

/** The master key is 64 hex characters (32 bytes). Throws a TypeError on anything else, without showing it. */
export function sealWith(masterKeyHex: string): Seal {
  if (!/^[0-9A-Fa-f]{64}$/.test(masterKeyHex)) {
    throw new TypeError('the master key must be 64 hex characters (32 bytes); make one with: openssl rand -hex 32');
  }
  // A KeyObject made once: from a Buffer each cipher would make its own, which costs more than the cipher.
  const key = createSecretKey(Buffer.from(masterKeyHex, 'hex'));
  return {
    seal(secret, context) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', key, nonce);
      cipher.setAAD(associated(context));
      const text = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]);
      return `${version}.${Buffer.concat([nonce, text, cipher.getAuthTag()]).toString('base64url')}`;
    },
    open(sealed, context) {
      const text = sealed.slice(version.length + 1);
      const bytes = Buffer.from(text, 'base64url');
      // Node reads over what is no base64url, and then several texts would open as one.
      const isExact = sealed.startsWith(`${version}.`) && bytes.toString('base64url') === text;
      if (!isExact || bytes.length < 28) throw broken(context);
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12));
      decipher.setAAD(associated(context));
      decipher.setAuthTag(bytes.subarray(-16));
      try {
        return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]).toString('utf8');
      } catch {
        throw broken(context);
      }
    },
  };
}

// JSON keeps the three parts apart whatever characters they hold.
function associated(context: SealContext): Buffer {
  return Buffer.from(JSON.stringify([context.id, context.service, context.kind]));
}

function broken(context: SealContext): SealError {
  return new SealError(
    `the sealed secret of key ${context.id} (${context.service}) does not open: COUNTERSIGN_MASTER_KEY is not the one it was sealed with, or the row was changed`,
  );
}
