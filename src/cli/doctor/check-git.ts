import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { SecretSeen } from './check-settings.ts';
import { findingId, repair, type Finding } from './finding.ts';
import { ignoreLine } from './ignore-line.ts';
import { isGuessable, passwordInUrl, settingSecret } from './secret-words.ts';
import { isEnvFile, isSettingsFile, isTemplate } from './stack-files.ts';
import { shellWord } from '../../core/text/shell-word.ts';

/** A repository may say which programs git is to run; none of them is run for us. */
const harmless = ['-c', 'core.fsmonitor=false', '-c', 'log.showSignature=false', '-c', 'core.quotePath=false'];

const historyMillis = 60_000;
const historyBytes = 268_435_456;

/** True where the folder is within a repository and git is there. */
export function isRepository(folder: string): boolean {
  return git(folder, ['rev-parse', '--is-inside-work-tree'])?.trim() === 'true';
}

/** Files full of secrets, and Countersign's own state, that a commit would take along, or has. */
export function checkTracked(folder: string, secrets: readonly SecretSeen[]): Finding[] {
  const tracked = new Set((git(folder, ['ls-files', '-z']) ?? '').split('\0'));
  const full = secrets.filter(({ file, kept }) => kept || isEnvFile(file));
  const files = [...new Set(full.map(({ file }) => file))];
  const found = files.flatMap((file) => {
    if (tracked.has(file)) return [trackedFile(file)];
    return isIgnored(folder, file) ? [] : [unignoredFile(file)];
  });
  return [...found, ...checkState(folder, tracked)];
}

/** The master key lies in it, beside what it opens. */
function checkState(folder: string, tracked: ReadonlySet<string>): Finding[] {
  if ([...tracked].some((file) => file.startsWith(state))) return [trackedState];
  return existsSync(join(folder, state)) && !isIgnored(folder, state) ? [unignoredState] : [];
}

const state = '.countersign/';

function isIgnored(folder: string, file: string): boolean {
  return git(folder, ['check-ignore', '--', file]) !== null;
}

function trackedFile(file: string): Finding {
  return {
    check: 'tracked-by-git',
    place: file,
    severity: 'high',
    what: 'a file of secrets is tracked by git',
    why: 'Everybody with a copy of the repository has them, now and in every later clone.',
    repair: repair({ commands: [`git rm --cached --quiet -- ${shellWord(file)}`, ignoreCommand(file)] }),
  };
}

function unignoredFile(file: string): Finding {
  return {
    check: 'not-ignored-by-git',
    place: file,
    severity: 'medium',
    what: 'a file of secrets is not ignored by git',
    why: 'The next `git add .` commits it.',
    repair: repair({ commands: [ignoreCommand(file)], fix: { kind: 'ignore', file } }),
  };
}

const trackedState: Finding = {
  check: 'tracked-by-git',
  place: state,
  severity: 'high',
  what: "Countersign's state is tracked by git",
  why: 'Everybody with a copy of the repository has the store and the master key that opens what is sealed in it.',
  repair: repair({
    commands: [`git rm -r --cached --quiet -- ${state}`, ignoreCommand(state)],
    words: 'What was committed stays known: replace the HMAC secrets of the store, too.',
  }),
};

const unignoredState: Finding = {
  check: 'not-ignored-by-git',
  place: state,
  severity: 'medium',
  what: "Countersign's state is not ignored by git",
  why: 'The next `git add .` commits it, and the master key with it.',
  repair: repair({ commands: [ignoreCommand(state)], fix: { kind: 'ignore', file: state } }),
};

function ignoreCommand(file: string): string {
  const line = ignoreLine(file);
  // What echo does with a backslash depends on the shell.
  return `${line.includes('\\') ? "printf '%s\\n'" : 'echo'} ${shellWord(line)} >> .gitignore`;
}

/** Null where git says no. */
function git(folder: string, args: readonly string[]): string | null {
  const { status, stdout } = spawnSync('git', [...harmless, ...args], {
    cwd: folder,
    encoding: 'utf8',
    timeout: historyMillis,
    maxBuffer: 67_108_864,
  });
  return status === 0 ? stdout : null;
}

export interface History {
  readonly findings: readonly Finding[];
  /** Not all of it was read. */
  readonly cutOff: boolean;
}

/** Secrets that a commit of any branch put into a file of settings, whatever became of them since. */
export async function checkHistory(folder: string): Promise<History> {
  const child = spawn(
    'git',
    [
      ...harmless,
      'log',
      '--all',
      '-p',
      '-U0',
      '--no-color',
      '--no-ext-diff',
      '--no-textconv',
      '--relative',
      '--format=commit:%h',
      '--',
      '.',
    ],
    { cwd: folder, stdio: ['ignore', 'pipe', 'ignore'], timeout: historyMillis },
  );
  const ended = new Promise<boolean>((resolve) => {
    child.once('error', () => resolve(false));
    child.once('close', (_code, signal) => resolve(signal === null));
  });
  const found = new Map<string, Finding>();
  const reader = patchReader((commit, file, line, text) => {
    for (const { name, value } of secretsOnLine(file, text)) {
      const key = `${file}\n${value}`;
      if (!found.has(key)) found.set(key, findingOf(`${file}:${line} in commit ${commit}`, name));
    }
  });
  let bytes = 0;
  let tooLarge = false;
  for await (const line of createInterface({ input: child.stdout })) {
    bytes += line.length + 1;
    if (bytes > historyBytes) {
      tooLarge = true;
      child.kill();
      break;
    }
    reader(line);
  }
  const whole = await ended;
  return { findings: [...found.values()], cutOff: tooLarge || !whole };
}

/** Takes the lines of `git log -p` and tells of every line that was added. */
function patchReader(
  added: (commit: string, file: string, line: number, text: string) => void,
): (line: string) => void {
  let [commit, file, at] = ['', '', 0];
  let inHunk = false;
  return (line) => {
    const hunk = /^@@ -\S+ \+(\d+)(?:,\d+)? @@/.exec(line);
    if (line.startsWith('commit:')) [commit, inHunk] = [line.slice(7), false];
    else if (line.startsWith('diff --git ')) inHunk = false;
    else if (!inHunk && line.startsWith('+++ ')) file = line.slice(4).replace(/^b\//, '').replace(/\t$/, '');
    else if (hunk) [at, inHunk] = [Number(hunk[1]), true];
    else if (inHunk && line.startsWith('+')) {
      added(commit, file, at, line.slice(1));
      at += 1;
    }
  };
}

function secretsOnLine(file: string, text: string): { name: string; value: string }[] {
  if (text.length > 10_000 || isTemplate(file)) return [];
  const own = [...text.matchAll(/\bcs_(?:sk|hs|st|ad)_([0-9A-Za-z]{10})_[0-9A-Za-z]{49}\b/g)].map((match) => ({
    name: `key ${match[1]}`,
    value: match[0],
  }));
  if (own.length > 0 || !isSettingsFile(file)) return own;
  const match = /^\s*(?:-\s+)?["']?(?:export\s+)?([A-Za-z_][\w.-]*)["']?\s*[:=]\s*(.*?),?\s*$/.exec(text);
  if (!match) return [];
  const [, name = '', written = ''] = match;
  const value = /^(["'])(.*)\1/.exec(written)?.[2] ?? written.replace(/\s+#.*$/, '').replace(/["']$/, '');
  const secret = passwordInUrl(value)?.password ?? settingSecret(name, value);
  // An example's password is nobody's secret once it is replaced.
  return secret === null || isGuessable(secret) ? [] : [{ name, value: secret }];
}

function findingOf(place: string, name: string): Finding {
  const finding: Finding = {
    check: 'secret-in-history',
    place,
    severity: 'medium',
    what: `the history of the repository holds ${name} in the clear`,
    why: 'Whoever has a clone has the secret. Taking it out of the files, or even of the history, takes it back from nobody.',
    repair: repair({}),
  };
  return {
    ...finding,
    repair: repair({
      commands: [`countersign doctor --accept ${findingId(finding)}`],
      words: 'First replace the secret wherever it is still good. Then note here that it was done.',
    }),
  };
}
