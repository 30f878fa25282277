import { closeSync, fsyncSync, linkSync, mkdirSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { randomSecret, uuid } from '../../crypto/random.ts';
import { sealWith, type Seal } from '../../crypto/seal.ts';
import { readSecretFile } from './read-secret.ts';

export interface MasterSealOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /**
   * The folder for master.key, made when it is first needed. Null where the store is shared between machines: a key made on
   * one of them would be unknown to the others, so it must be given.
   */
  readonly folder: string | null;
  /** What to say on standard error; paths, never the key. */
  readonly onNotice: (text: string) => void;
}

export class MasterKeyError extends Error {
  readonly code = 'master_key';
  /** There is none, as against one that cannot be used. */
  readonly isMissing: boolean;
  constructor(message: string, isMissing = false) {
    super(message);
    this.isMissing = isMissing;
  }
}

const hint = 'make one with: openssl rand -hex 32';

/**
 * The seal for HMAC secrets at rest: COUNTERSIGN_MASTER_KEY, else the file COUNTERSIGN_MASTER_KEY_FILE names, else
 * master.key in the folder, created exclusively when the first secret is sealed. Throws a MasterKeyError at once for a key
 * that is given and cannot be used; later, from `open`, when there is none at all.
 */
export function masterSeal({ env, folder, onNotice }: MasterSealOptions): Seal {
  const given = env['COUNTERSIGN_MASTER_KEY'];
  const file = env['COUNTERSIGN_MASTER_KEY_FILE'];
  if (given && file)
    throw new MasterKeyError('set either COUNTERSIGN_MASTER_KEY or COUNTERSIGN_MASTER_KEY_FILE, not both');
  if (given) return sealFrom(given, 'COUNTERSIGN_MASTER_KEY');
  if (file) return sealFrom(readKey(file, onNotice), file);
  if (folder === null)
    throw new MasterKeyError(
      `COUNTERSIGN_MASTER_KEY is not set, and this store needs it: the one that its servers have, or for a new store one from: openssl rand -hex 32`,
      true,
    );

  const path = join(folder, 'master.key');
  let seal: Seal | null = existing(path, onNotice);
  return {
    seal(secret, context) {
      seal ??= existing(path, onNotice) ?? created(folder, path, onNotice);
      return seal.seal(secret, context);
    },
    open(sealed, context) {
      // Another process may have made the key since.
      seal ??= existing(path, onNotice);
      if (!seal)
        throw new MasterKeyError(
          `there is no master key: ${path} is missing and COUNTERSIGN_MASTER_KEY is not set; bring it back from a copy, or, if there is none, revoke the HMAC keys that it sealed and make new ones`,
          true,
        );
      return seal.open(sealed, context);
    },
  };
}

function existing(path: string, onNotice: (text: string) => void): Seal | null {
  const reading = readSecretFile(path);
  if (!reading.ok && reading.missing) return null;
  if (!reading.ok) throw new MasterKeyError(reading.fault);
  if (reading.warning) onNotice(reading.warning);
  return sealFrom(reading.text, path);
}

function readKey(path: string, onNotice: (text: string) => void): string {
  const reading = readSecretFile(path);
  if (!reading.ok) throw new MasterKeyError(`COUNTERSIGN_MASTER_KEY_FILE: ${reading.fault}`);
  if (reading.warning) onNotice(reading.warning);
  return reading.text;
}

function sealFrom(hex: string, where: string): Seal {
  if (!/^[0-9A-Fa-f]{64}$/.test(hex))
    throw new MasterKeyError(`${where}: a master key is 64 hex characters (32 bytes); ${hint}`);
  return sealWith(hex);
}

/**
 * Written whole under another name and then linked: the link fails when the name is taken, and nobody ever reads half a key.
 * Of two processes that start at once, one makes the key and the other uses it.
 */
function created(folder: string, path: string, onNotice: (text: string) => void): Seal {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const draft = join(folder, `.master.key.${uuid()}`);
  const file = openSync(draft, 'wx', 0o600);
  try {
    writeSync(file, `${randomSecret(32).toString('hex')}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  try {
    linkSync(draft, path);
    onNotice(`created the master key ${path} (0600): keep a copy, without it stored HMAC secrets cannot be read`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    unlinkSync(draft);
  }
  const seal = existing(path, onNotice);
  if (!seal) throw new MasterKeyError(`${path} vanished while it was made`);
  return seal;
}
