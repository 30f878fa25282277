import { createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { sha256 } from './digest.ts';

const iterations = 4096;

/**
 * What Postgres keeps of a password (RFC 5802 §3, RFC 7677), so that the password itself is in no statement and in no log of the
 * server: 'SCRAM-SHA-256$4096:<salt>$<StoredKey>:<ServerKey>'.
 */
export function scramVerifier(password: string, salt: Uint8Array = randomBytes(16)): string {
  const salted = pbkdf2Sync(password.normalize('NFKC'), salt, iterations, 32, 'sha256');
  const keyFor = (use: string): Buffer => createHmac('sha256', salted).update(use).digest();
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
  return `SCRAM-SHA-256$${iterations}:${text(salt)}$${text(sha256(keyFor('Client Key')))}:${text(keyFor('Server Key'))}`;
}
