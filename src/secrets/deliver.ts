import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { nameFault, type Entry } from './bundle.ts';
import { SecretsError } from './secrets-error.ts';

/** 'aidb_api_key' → 'AIDB_API_KEY'. */
export function variableOf(name: string): string {
  const variable = name.toUpperCase().replace(/[^A-Z0-9]+/g, '_');
  return /^[0-9]/.test(variable) ? `_${variable}` : variable;
}

/**
 * Writes each secret into a file of its own below the folder: exactly the value, readable by its owner only. Returns the
 * variables that tell a program where they are: AIDB_API_KEY_FILE. Throws before anything is written when two would be one.
 */
export function writeSecretFiles(entries: readonly Entry[], folder: string): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const { name } of entries) {
    if (nameFault(name) !== null)
      throw new SecretsError('invalid_secret', `"${name}" cannot be the name of a file; leave it out with --only`);
    const variable = `${variableOf(name)}_FILE`;
    if (variable in variables)
      throw new SecretsError('invalid_secret', `two secrets would both be ${variable}; choose with --only`);
    variables[variable] = join(folder, name);
  }
  for (const { name, leaf } of entries) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(path, leaf.bytes, { mode: 0o600, flag: 'wx' });
  }
  return variables;
}
