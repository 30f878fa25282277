import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseEnvFile } from './env-file.ts';
import { readSecretFile } from './read-secret.ts';

/** One's own key in a file that may be replaced at any time. */
export interface KeyFile {
  /** Absolute. */
  readonly path: string;
  /**
   * The key as the file has it now, looked at no more than once a second. What cannot be used at the moment (gone, being
   * written, of the wrong form) does not take away a key that was good; null while there never was one.
   */
  key(): string | null;
  /** Counts up with each other key that the file held. */
  readonly generation: number;
  /** Reads the file at once. */
  reread(): void;
  /** Why the file as it is now gives no key, or null when it does. Never shows its content. */
  readonly fault: { readonly missing: boolean; readonly words: string } | null;
}

export interface KeyFileOptions {
  /** The file may be a .env that assigns this variable; null: it is the bare key always. */
  readonly variable: string | null;
  /** Null when the text is a key that can be used; otherwise what is wrong, without showing it. */
  readonly judge: (text: string) => string | null;
}

const lookMillis = 1000;

/**
 * Looks at the file when the key is used, instead of watching: a caller that makes no calls does no work, and a look costs
 * microseconds. The permissions asked for are those of every other key file.
 */
export function keyFile(file: string, { variable, judge }: KeyFileOptions): KeyFile {
  const path = resolve(file);
  let key: string | null = null;
  let generation = 0;
  let fault: KeyFile['fault'] = null;
  let seen = '';
  let looked = Number.NEGATIVE_INFINITY;

  function read(): void {
    const reading = readKey(path, variable, judge);
    fault = 'key' in reading ? null : reading;
    if ('key' in reading && reading.key !== key) {
      key = reading.key;
      generation += 1;
    }
    // What gave no key is read again at the next look, even where it looks the same.
    if (fault !== null) seen = '';
  }

  function look(): void {
    const now = performance.now();
    if (now - looked < lookMillis) return;
    looked = now;
    const identity = identityOf(path);
    if (identity !== '' && identity === seen) return;
    seen = identity;
    read();
  }

  return {
    path,
    key() {
      look();
      return key;
    },
    reread() {
      seen = identityOf(path);
      read();
    },
    get generation() {
      return generation;
    },
    get fault() {
      return fault;
    },
  };
}

type Reading = { readonly key: string } | { readonly missing: boolean; readonly words: string };

function readKey(path: string, variable: string | null, judge: KeyFileOptions['judge']): Reading {
  let reading: ReturnType<typeof readSecretFile>;
  try {
    reading = readSecretFile(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    return { missing: false, words: `${path}: cannot be read just now (${code})` };
  }
  if (!reading.ok) return { missing: reading.missing, words: reading.fault };
  const assigned = variable === null ? null : assignedIn(reading.text, variable);
  if (assigned !== null && 'fault' in assigned) return { missing: false, words: `${path}:${assigned.fault}` };
  const key = assigned === null ? reading.text : assigned.value;
  const fault = judge(key);
  return fault === null ? { key } : { missing: false, words: `${path}: the key ${fault}` };
}

/** A variable of an environment, and not the padding of a bare key in base64. */
const assignment = /^\s*(?:export\s+)?[A-Z][A-Z0-9_]*\s*=\s*[^=\s]/m;

/** Null when the text is no .env, and so the bare key. */
function assignedIn(text: string, variable: string): { readonly value: string } | { readonly fault: string } | null {
  if (!new RegExp(`^\\s*(?:export\\s+)?${variable}\\s*=`, 'm').test(text))
    return assignment.test(text) ? { fault: ` has no ${variable}=` } : null;
  const parsed = parseEnvFile(text);
  if (!parsed.ok) return { fault: `${parsed.line}: ${parsed.fault}` };
  return { value: parsed.values.get(variable) ?? '' };
}

/** Another file under the same name, or the same one rewritten. */
function identityOf(path: string): string {
  try {
    const { dev, ino, size, mtimeNs } = statSync(path, { bigint: true });
    return `${dev}:${ino}:${size}:${mtimeNs}`;
  } catch {
    return '';
  }
}
