import { lstatSync } from 'node:fs';
import { relative } from 'node:path';
import { quoted } from './check-settings.ts';
import { repair, type Finding } from './finding.ts';
import { isEnvFile, isTemplate, type StackFile } from './stack-files.ts';

/** Files with secrets in them that others on this machine can read. `withSecrets`: paths in which some were found. */
export function checkModes(
  files: readonly StackFile[],
  withSecrets: ReadonlySet<string>,
  folder: string,
  others: readonly string[],
): Finding[] {
  const found = files.filter((file) => file.mode !== 0 && (file.mode & 0o077) !== 0 && isSecretFile(file, withSecrets));
  return [
    ...found.map(({ path, mode }) => findingOf(path, mode, 0o600)),
    ...others.flatMap((path) => ownFile(folder, path)),
  ];
}

function isSecretFile({ path, text }: StackFile, withSecrets: ReadonlySet<string>): boolean {
  if (isTemplate(path)) return false;
  if (withSecrets.has(path) || isEnvFile(path)) return true;
  if (/\.(?:agekey|key)$|(?:^|\/)[\w-]+_api_key$/.test(path)) return true;
  return text !== null && /-----BEGIN [A-Z ]*PRIVATE KEY-----|AGE-SECRET-KEY-1/.test(text.slice(0, 4096));
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
      commands: [`chmod ${wanted.toString(8)} ${quoted(path)}`],
      fix: { kind: 'mode', file: path, mode: wanted },
    }),
  };
}
