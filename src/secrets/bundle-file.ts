import { readFileSync, statSync } from 'node:fs';
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

/** Whole or not at all: readers find the old text or the new one. Mode and owner of a file that exists stay. */
export function writeWhole(name: string, text: string, modeOfNew = 0o644): void {
  const before = statSync(name, { throwIfNoEntry: false });
  replaceWhole(name, text, before ? before.mode & 0o777 : modeOfNew);
}
