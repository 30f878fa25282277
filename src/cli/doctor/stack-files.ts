import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';

/** A file of the stack. */
export interface StackFile {
  /** Relative to the folder, with forward slashes. */
  readonly path: string;
  readonly absolute: string;
  /** Permission bits. */
  readonly mode: number;
  /** Null for one that is too large, no text, or not to be opened by us. */
  readonly text: string | null;
}

export interface StackFiles {
  readonly files: readonly StackFile[];
  /** What was not looked at, one line each. */
  readonly skipped: readonly string[];
}

const filesMax = 10_000;
const bytesMax = 1_048_576;
const depthMax = 16;
/** Of all texts together. */
const totalMax = 134_217_728;

/** Of others, or of ours and judged by its permissions alone. */
const passedOver = new Set(['.git', 'node_modules', '.venv', 'venv', '__pycache__', 'dist', '.countersign']);

/** All regular files below the folder; symbolic links are not followed, or a link could lead the search anywhere. */
export function stackFiles(folder: string): StackFiles {
  const files: StackFile[] = [];
  let total = 0;
  const skipped: string[] = [];
  const pending: { path: string; depth: number }[] = [{ path: folder, depth: 0 }];
  for (let at = pending.shift(); at; at = pending.shift()) {
    for (const entry of entriesOf(at.path, skipped)) {
      const path = join(at.path, entry.name);
      if (entry.isDirectory()) {
        if (passedOver.has(entry.name)) continue;
        if (at.depth < depthMax) pending.push({ path, depth: at.depth + 1 });
        else skipped.push(`${relative(folder, path)}: more than ${depthMax} folders deep`);
      } else if (entry.isFile()) {
        if (files.length >= filesMax) return { files, skipped: [...skipped, `more than ${filesMax} files`] };
        const file = readFile(folder, path, skipped);
        total += file.text?.length ?? 0;
        if (total > totalMax) return { files, skipped: [...skipped, 'what comes after 128 MiB of text'] };
        files.push(file);
      }
    }
  }
  return { files, skipped };
}

function entriesOf(folder: string, skipped: string[]) {
  try {
    return readdirSync(folder, { withFileTypes: true }).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    skipped.push(`${folder}: ${(error as NodeJS.ErrnoException).code ?? 'unreadable'}`);
    return [];
  }
}

function readFile(folder: string, absolute: string, skipped: string[]): StackFile {
  const path = relative(folder, absolute);
  try {
    const file = openSync(absolute, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const { mode, size } = fstatSync(file);
      const bytes = size > bytesMax ? null : readFileSync(file);
      if (bytes === null && isSettingsFile(path)) skipped.push(`${path}: larger than 1 MiB`);
      return { path, absolute, mode: mode & 0o777, text: bytes?.includes(0) === false ? bytes.toString('utf8') : null };
    } finally {
      closeSync(file);
    }
  } catch (error) {
    skipped.push(`${path}: ${(error as NodeJS.ErrnoException).code ?? 'unreadable'}`);
    return { path, absolute, mode: 0, text: null };
  }
}

/** Settings in which names mean something; secrets of known forms are looked for in every text. */
export function isSettingsFile(path: string): boolean {
  if (packages.test(path) || wordsForPeople.test(path)) return false;
  return isEnvFile(path) || /\.(?:ya?ml|json|ini|conf|cnf|cfg|properties|toml)$/i.test(path);
}

/** Names in these are those of packages: "pgpass": "1.x". */
const packages =
  /(?:^|\/)(?:\.?package(?:-lock)?\.json|npm-shrinkwrap\.json|pnpm-lock\.yaml|composer\.json|deno\.json|pyproject\.toml|Cargo\.toml|pubspec\.yaml)$/;
/** Names in these are those of texts: "password": "Passwort". */
const wordsForPeople = /(?:^|\/)(?:locales?|i18n|l10n|lang|languages|translations|messages)(?:\/|[._-][^/]*$)/i;

/** What a pipeline starts lives for one run, so that nobody minds its passwords being guessed. */
export function isPipeline(path: string): boolean {
  return /(?:^|\/)(?:\.(?:github|gitea|forgejo|circleci|woodpecker)\/|\.gitlab-ci|(?:azure|bitbucket)-pipelines)/.test(
    path,
  );
}

export function isEnvFile(path: string): boolean {
  const name = basename(path);
  return /^\.env(?:\.|$)/.test(name) || name.endsWith('.env');
}

/** Shows what to fill in, and is not used as it is. */
export function isTemplate(path: string): boolean {
  return /(?:^|[._-])(?:example|sample|template|dist|tmpl)(?:[._-]|$)/i.test(basename(path));
}
