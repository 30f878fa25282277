import { closeSync, fsyncSync, linkSync, mkdirSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { ed25519Pair, ed25519PrivateKey } from '../crypto/ed25519.ts';
import { uuid } from '../crypto/random.ts';
import { readSecretFile } from '../keys/sources/read-secret.ts';
import type { StackConfig } from './config.ts';
import { variables, type Env } from './env.ts';
import { ConfigError } from './faults.ts';
import { stateFolder } from './wiring/stack-seal.ts';

export class AuditKeyError extends Error {
  readonly code = 'audit_key';
}

const hint = 'make one with: openssl genpkey -algorithm ed25519';

/**
 * The private key (PEM) that signs heads of the audit: COUNTERSIGN_AUDIT_KEY, or the file COUNTERSIGN_AUDIT_KEY_FILE names, else
 * audit.key beside the master key. Null when there is none. Throws an AuditKeyError for one that cannot be used.
 */
export function auditKey(config: Pick<StackConfig, 'file' | 'store'>, env: Env): string | null {
  const { read, faults } = variables(env);
  const given = read('COUNTERSIGN_AUDIT_KEY');
  if (faults.length > 0) throw new ConfigError(null, faults);
  if (given !== null) return checked(given, 'COUNTERSIGN_AUDIT_KEY');
  const folder = stateFolder(config);
  if (folder === null) return null;
  const path = join(folder, 'audit.key');
  const reading = readSecretFile(path);
  if (reading.ok) return checked(reading.text, path);
  if (reading.missing) return null;
  throw new AuditKeyError(reading.fault);
}

/** The same, made when there is none yet. */
export async function auditKeyMade(config: Pick<StackConfig, 'file' | 'store'>, env: Env): Promise<string> {
  const found = auditKey(config, env);
  if (found !== null) return found;
  const folder = stateFolder(config);
  if (folder === null)
    throw new AuditKeyError(
      `COUNTERSIGN_AUDIT_KEY is not set, and the store is shared between machines: all of them sign with one key; ${hint}`,
    );
  try {
    return await created(folder, () => auditKey(config, env));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined || error instanceof AuditKeyError) throw error;
    throw new AuditKeyError(
      `audit.key cannot be made in ${folder} (${code}); name one with COUNTERSIGN_AUDIT_KEY_FILE, ${hint}`,
    );
  }
}

/** Written whole under another name and then linked, so that of several processes one makes the key, and nobody reads half of it. */
async function created(folder: string, read: () => string | null): Promise<string> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const draft = join(folder, `.audit.key.${uuid()}`);
  const { privatePem } = await ed25519Pair();
  const file = openSync(draft, 'wx', 0o600);
  try {
    writeSync(file, privatePem);
    fsyncSync(file);
    closeSync(file);
    // Fails when another process was faster: then that one's key counts.
    linkSync(draft, join(folder, 'audit.key'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    unlinkSync(draft);
  }
  return read() ?? privatePem;
}

function checked(pem: string, where: string): string {
  try {
    ed25519PrivateKey(pem);
    return pem;
  } catch {
    throw new AuditKeyError(`${where}: is no Ed25519 private key in PEM; ${hint}`);
  }
}
