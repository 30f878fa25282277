import { closeSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { replaceWhole } from '../keys/targets/whole-file.ts';
import { codeOfFault, SecretsError } from './secrets-error.ts';
import type { Form } from './sops/document.ts';
import { openSopsFile, type SopsFile } from './sops/sops-file.ts';

/** Throws for the forms of SOPS that are not read here. */
export function formOf(path: string): Form {
  const [, other] = /\.(env|ini|txt|bin)$/.exec(path) ?? [];
  if (other !== undefined)
    throw new SecretsError(
      'bundle_invalid',
      `${path}: of SOPS files, those in YAML and JSON are read here, not .${other}`,
    );
  return path.endsWith('.json') ? 'json' : 'yaml';
}

/** Throws a SecretsError that names the file: unreadable, not SOPS, of another key, changed. */
export async function openBundle(path: string, identities: readonly string[]): Promise<SopsFile> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new SecretsError('bundle_invalid', `${path}: cannot be read (${codeOfFault(error)})`);
  }
  return named(path, () => openSopsFile(text, formOf(path), identities));
}

/** Errors about the content of a file say which file. */
async function named<T>(path: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof SecretsError) || !aboutContent.has(error.code) || error.message.startsWith(path))
      throw error;
    throw new SecretsError(error.code, `${path}: ${error.message}`);
  }
}

const aboutContent = new Set(['bundle_invalid', 'bundle_changed', 'wrong_key']);

/** Holds off every other writer of the bundle from reading until the end of the work, so that no change is lost. */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const lock = join(dirname(path), `.${basename(path)}.lock`);
  let file: number;
  try {
    file = openSync(lock, 'wx', 0o600);
  } catch (error) {
    if (codeOfFault(error) !== 'EEXIST')
      throw new SecretsError('bundle_locked', `${lock}: cannot be made (${codeOfFault(error)})`);
    throw new SecretsError('bundle_locked', lockedBy(path, lock));
  }
  try {
    writeSync(file, `${process.pid}\n`);
    return await work();
  } finally {
    closeSync(file);
    rmSync(lock, { force: true });
  }
}

/** A lock is never broken here: two that break it at once would both hold it. */
function lockedBy(path: string, lock: string): string {
  let pid = 0;
  try {
    pid = Number(readFileSync(lock, 'utf8'));
    if (pid > 0) process.kill(pid, 0);
  } catch (error) {
    if (codeOfFault(error) === 'ESRCH')
      return `process ${pid} ended while it was changing ${path}; remove ${lock} and try again`;
  }
  return `another command is changing ${path}; if none is running, remove ${lock}`;
}

/** Whole or not at all: readers find the old text or the new one. Mode and owner of a file that exists stay. */
export function writeWhole(name: string, text: string, modeOfNew = 0o644): void {
  const before = statSync(name, { throwIfNoEntry: false });
  replaceWhole(name, text, before ? before.mode & 0o777 : modeOfNew);
}
