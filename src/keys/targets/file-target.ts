import { rmSync } from 'node:fs';
import type { KeyRecord } from '../../core/credential.ts';
import { KeyError } from '../key-error.ts';
import { parseEnvFile } from '../sources/env-file.ts';
import { readSecretFile } from '../sources/read-secret.ts';
import type { KeyTarget } from './key-target.ts';
import { replaceWhole, written } from './whole-file.ts';

export interface FileTargetOptions {
  /** Absolute. */
  readonly path: string;
  /** key: the key alone and a newline. env: SERVICE_KEY= in a .env file whose other lines stay; SERVICE_ID= with it in a new one. */
  readonly form: 'key' | 'env';
}

/** Of the key's record it needs no more than whose it is. */
export interface FileTarget extends KeyTarget {
  /** Throws a KeyError ('not_delivered') when the key cannot stand there as it is. */
  check(key: string): void;
  put(key: string, of: Pick<KeyRecord, 'service'>): Promise<void>;
}

/**
 * A file of mode 0600, replaced by renaming: whoever reads it finds the old key or the new one. It goes on belonging to whom it
 * belonged; its folder must be there. Symbolic links are followed as `replaceWhole` has
 * it.
 */
export function fileTarget({ path, form }: FileTargetOptions): FileTarget {
  function check(key: string): void {
    if (form === 'env' && !plainValue.test(key))
      throw new KeyError(
        'not_delivered',
        `${path}: the key has a character that readers of .env files take differently; create another, or use a file that holds it alone`,
      );
  }

  return {
    name: `the file ${path}`,
    check,
    async held() {
      const text = textOf(path);
      if (text === null || form === 'key') return text;
      const parsed = parseEnvFile(text);
      return parsed.ok ? (parsed.values.get(keyVariable) ?? null) : null;
    },
    async ready(kind) {
      if (form === 'env' && kind === 'ed25519')
        throw new KeyError('not_delivered', `${path}: a private key has several lines and goes into a file of its own`);
      textOf(path);
      attempt(path, () => rmSync(written(path, '')));
    },
    async put(key, { service }) {
      check(key);
      const text = form === 'key' ? `${key.trimEnd()}\n` : withKey(textOf(path), service, key);
      attempt(path, () => replaceWhole(path, text));
    },
  };
}

function attempt(path: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    const words = `${path} cannot be written (${code}): its folder must exist and be ours to write`;
    throw new KeyError('not_delivered', words);
  }
}

const keyVariable = 'SERVICE_KEY';
/** What shells, systemd, Docker and libraries take as it stands. */
const plainValue = /^[A-Za-z0-9_.,:/+=@-]+$/;

function textOf(path: string): string | null {
  const reading = readSecretFile(path);
  if (reading.ok) return reading.text;
  if (reading.missing) return null;
  throw new KeyError('not_delivered', reading.fault);
}

/** The last assignment counts to a shell, so every one is rewritten. */
function withKey(text: string | null, service: string, key: string): string {
  if (text === null) return `SERVICE_ID=${service}\n${keyVariable}=${key}\n`;
  const line = new RegExp(`^(\\s*(?:export\\s+)?${keyVariable}\\s*=).*$`, 'gm');
  const assigned = line.test(text);
  const changed = text.replace(line, (_all, start: string) => `${start}${key}`);
  return assigned ? `${changed}\n` : `${text}\n${keyVariable}=${key}\n`;
}
