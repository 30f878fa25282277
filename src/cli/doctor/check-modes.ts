import { lstatSync } from 'node:fs';
import { relative } from 'node:path';
import { repair, type Finding } from './finding.ts';
import { isEnvFile, isTemplate, type StackFile } from './stack-files.ts';
import { shellWord } from '../../core/text/shell-word.ts';

/**
 * Files with secrets in them that everybody on this machine can read. `withSecrets`: paths in which real ones were found, which
 * nobody guesses anyway. A group alone may have been given a file; only keys of Countersign are for their owner and nobody else.
 */
export function checkModes(
  files: readonly StackFile[],
  withSecrets: ReadonlySet<string>,
  folder: string,
  others: readonly string[],
): Finding[] {
  return [
    ...files.flatMap((file) => stackFile(file, withSecrets.has(file.path))),
    ...others.flatMap((path) => ownFile(folder, path)),
  ];
}

function stackFile(file: StackFile, withSecret: boolean): Finding[] {
  const { path, mode } = file;
  if (mode === 0 || isTemplate(path)) return [];
  if (isApiKeyFile(file)) return (mode & 0o077) === 0 ? [] : [findingOf(path, mode, 0o600)];
  if ((mode & 0o007) === 0) return [];
  if (isKey(file) || (withSecret && isEnvFile(path))) return [findingOf(path, mode, 0o600)];
  return withSecret ? [sharedFile(path, mode)] : [];
}

/** Countersign and its clients read no such file that others can read, so narrowing it takes it from nobody. */
function isApiKeyFile({ path }: StackFile): boolean {
  return /(?:^|\/)[\w-]+_api_key$/.test(path);
}

/** Nothing but a key: a private one with its certificates, or a single word in a file that is called one. */
function isKey({ path, text }: StackFile): boolean {
  if (text === null) return false;
  return (
    /^\s*(?:#.*\n\s*)*AGE-SECRET-KEY-1/.test(text) ||
    (/^\s*-----BEGIN /.test(text) && /^-----BEGIN [A-Z ]*PRIVATE KEY-----/m.test(text)) ||
    (/\.(?:agekey|key)$/.test(path) && /^\s*\S{16,}\s*$/.test(text))
  );
}

/** Of Countersign's own: the folder for its state, and key files that the configuration names. */
function ownFile(folder: string, path: string): Finding[] {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat || stat.isSymbolicLink() || (stat.mode & 0o077) === 0 || path.startsWith('/run/secrets/')) return [];
  const inside = relative(folder, path);
  return [findingOf(inside.startsWith('..') ? path : inside, stat.mode & 0o777, stat.isDirectory() ? 0o700 : 0o600)];
}

function findingOf(path: string, mode: number, wanted: number): Finding {
  const octal = (bits: number): string => bits.toString(8).padStart(4, '0');
  return {
    check: 'open-file',
    place: path,
    severity: 'medium',
    what: `others on this machine can read it (mode ${octal(mode)})`,
    why: 'Every user and every service of the machine has the secrets in it.',
    repair: repair({
      commands: [`chmod ${wanted.toString(8)} ${shellWord(path)}`],
      fix: { kind: 'mode', file: path, mode: wanted },
    }),
  };
}

/** Settings are often read by a program that runs as another user, in a container for one, so nobody but its owner may narrow them. */
function sharedFile(path: string, mode: number): Finding {
  const finding = findingOf(path, mode, 0o640);
  const words = `Take the secret out of it. Until then, give the file to the group of the program that reads it (chgrp GROUP ${shellWord(path)}), or that program reads it no longer after: chmod 640 ${shellWord(path)}`;
  return { ...finding, repair: repair({ words }) };
}
