import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { sha256Hex } from '../crypto/digest.ts';
import { builtConfig } from './build.ts';
import { findings } from './checks.ts';
import type { StackConfig } from './config.ts';
import { fileBytesMax, sourceDocument } from './document.ts';
import { readEnvironment, type Env } from './env.ts';
import { ConfigError, formatFault } from './faults.ts';
import { fileChecks } from './file-checks.ts';
import { missingPrograms } from './missing-programs.ts';
import { placeIn } from './place.ts';
import { schemaFaults } from './schema-faults.ts';
import { configSchema } from './schema.ts';

export { ConfigError } from './faults.ts';
export type { Fault } from './faults.ts';

export interface ParseOptions {
  /** The file's path, for messages and relative paths; null for a text from elsewhere (paths then begin at the working folder). */
  readonly file: string | null;
  readonly env: Env;
  /** Callers known by a key, besides services and `callers`; 'unchecked' takes every caller for known. Nobody unless given. */
  readonly keyHolders?: ReadonlySet<string> | 'unchecked';
}

/** Reads a configuration. Throws a ConfigError with every fault at once; never anything else. */
export function parseConfig(text: string, { file, env, keyHolders = new Set() }: ParseOptions): StackConfig {
  const absolute = file === null ? null : resolve(file);
  const folder = absolute === null ? process.cwd() : dirname(absolute);
  const { environment, faults: fromEnvironment, storeFaults } = readEnvironment(env);
  const source = sourceDocument(text);
  if (source.faults.length > 0) throw new ConfigError(file, [...fromEnvironment, ...source.faults]);

  const root = placeIn(source);
  const environmentFaults = [...fromEnvironment];
  if (root.get('store').value === undefined) environmentFaults.push(...storeFaults);
  const wrongForm = schemaFaults(source);
  const found = findings(root, { files: fileChecks(folder), keyHolders });
  const faults = [...environmentFaults, ...wrongForm, ...found.faults];
  if (faults.length > 0) throw new ConfigError(file, faults);
  return builtConfig(configSchema.parse(source.value), {
    file: absolute,
    digest: sha256Hex(text),
    folder,
    environment,
    warnings: found.warnings.map((warning) => formatFault(file ?? 'configuration', warning)),
  });
}

export interface LoadOptions extends Pick<ParseOptions, 'keyHolders'> {
  /** In place of what the file holds now. */
  readonly text?: string;
}

/** parseConfig for a file, which must be readable, at most 1 MiB and UTF-8. */
export function loadConfig(file: string, env: Env, { text, ...options }: LoadOptions = {}): StackConfig {
  const config = parseConfig(text ?? configText(file), { file, env, ...options });
  const warnings = [...config.warnings, ...missingPrograms(config.services, env)];
  const mode = statSync(file, { throwIfNoEntry: false })?.mode ?? 0;
  if ((mode & 0o002) === 0) return { ...config, warnings };
  const warning = `${file}: everyone on this machine can change it (mode 0${(mode & 0o777).toString(8)}), and so open every service; run: chmod o-w ${file}`;
  return { ...config, warnings: [...warnings, warning] };
}

/** What the file holds now. Throws a ConfigError. */
export function configText(file: string): string {
  const refuse = (message: string, hint: string) =>
    new ConfigError(file, [{ source: 'file', line: 0, column: 0, message, hint }]);
  let content: Buffer;
  try {
    if (statSync(file).size > fileBytesMax)
      throw refuse('the file is larger than 1 MiB', 'a configuration is a few kilobytes; is this the right file?');
    content = readFileSync(file);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    if (code === 'ENOENT')
      throw refuse('the file does not exist', 'name another with --config, or make one: countersign init');
    throw refuse(`the file cannot be read (${code})`, 'it must be a file that this user can read');
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content);
  } catch {
    throw refuse('the file is not UTF-8 text', 'save it as UTF-8');
  }
}
