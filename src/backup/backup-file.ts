import { decryptWith, encryptFor } from '../secrets/age.ts';
import { BackupError, backupFault, parseBackup, type Backup } from './state.ts';

/** What is read at most. */
export const backupBytesMax = 512 * 1024 * 1024;

/**
 * An age file in armour, for whoever holds a private key of one of the recipients. What it holds is JSON. Throws a BackupError where
 * `openBackup` would not take it: that is to be known now, and not when the store is lost.
 */
export async function sealBackup(backup: Backup, recipients: readonly string[]): Promise<string> {
  const json = JSON.stringify(backup);
  const fault = backupFault(JSON.parse(json));
  if (fault !== null)
    throw new BackupError('backup_invalid', `the store holds what no backup can (at "${fault}"): mend it there first`);
  return `${(await encryptFor(recipients, Buffer.from(json))).trimEnd()}\n`;
}

/** Throws a BackupError: no key opens it or it was changed, or it is no backup. */
export async function openBackup(text: string, identities: readonly string[]): Promise<Backup> {
  if (!text.startsWith('-----BEGIN AGE ENCRYPTED FILE-----'))
    throw new BackupError('backup_invalid', 'it is no backup: it does not begin as an age file in armour');
  const plain = await decryptWith(identities, text);
  if (plain === null)
    throw new BackupError('wrong_key', 'none of the age keys at hand opens it, or it was changed since it was made');
  return parseBackup(Buffer.from(plain).toString('utf8'));
}
