import { lintSource } from '@secretlint/core';
import { creator } from '@secretlint/secretlint-rule-preset-recommend';
import { extname } from 'node:path';
import { repair, type Finding } from './finding.ts';
import { isGuessable, passwordInUrl } from './secret-words.ts';
import { isTemplate, type StackFile } from './stack-files.ts';

const config = { rules: [{ id: '@secretlint/secretlint-rule-preset-recommend', rule: creator }] };

/** Our own keys, whole: the prefix and the length say enough. */
const ownKey = /\bcs_(sk|hs|st|ad)_[0-9A-Za-z]{10}_[0-9A-Za-z]{49}\b/g;

/**
 * Secrets that are known by their form, in any text: tokens of providers by the rules of secretlint, and keys of Countersign.
 * `seen` are places that were found by a setting's name already.
 */
export async function checkKnownForms(files: readonly StackFile[], seen: ReadonlySet<string>): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const file of files) {
    if (file.text === null || isTemplate(file.path) || keepsSecrets(file)) continue;
    const places = [...(await providerSecrets(file)), ...ownKeys(file)];
    const unseen = places.filter(({ line }) => !seen.has(`${file.path}:${line}`));
    const lines = new Map(unseen.map((place) => [place.line, place]));
    found.push(...[...lines.values()].map((place) => findingOf(file, place)));
  }
  return found;
}

interface Place {
  readonly line: number;
  readonly form: string;
  readonly remedy: string;
}

/** A file of a key alone, or of a private key, is where it belongs as long as nobody else reads it: that is judged by its mode. */
function keepsSecrets({ text, mode }: StackFile): boolean {
  if ((mode & 0o077) !== 0 || text === null) return false;
  return (
    /^\s*cs_\w+\s*$/.test(text) || /^\s*(?:#.*\n\s*)*(?:-----BEGIN [A-Z ]*PRIVATE KEY-----|AGE-SECRET-KEY-)/.test(text)
  );
}

async function providerSecrets({ path, text }: StackFile): Promise<Place[]> {
  // Its timers end the process at a line break or `::end` in a name; two of its rules look at how the name ends.
  const ending = /(?:package(?:-lock)?\.json|\.npmrc)$/.exec(path)?.[0] ?? '';
  const source = { filePath: `file-${ending}`, content: text ?? '', ext: extname(path), contentType: 'text' as const };
  const { messages } = await lintSource({ source, options: { config, maskSecrets: true, noPhysicFilePath: true } });
  const real = messages.filter(({ range }) => !isExample((text ?? '').slice(...range)));
  return real.map(({ messageId, loc }) => ({
    line: loc.start.line,
    form: messageId,
    remedy:
      'Revoke it where it was issued, put the new one into the bundle (countersign secrets set NAME), and take it out of this file.',
  }));
}

/**
 * As documents and tests write it: ghp_xxxxxxxx, postgres://user:password@localhost. Settings with such a password are found by
 * their names.
 */
function isExample(text: string): boolean {
  const url = passwordInUrl(text);
  return /(\w)\1{7}/.test(text) || (url !== null && isGuessable(url.password));
}

/** Each once, where it stands first: in a log it may stand on every line. */
function ownKeys({ text }: StackFile): Place[] {
  const places = new Map<string, { line: number; times: number }>();
  for (const { 0: key, index } of (text ?? '').matchAll(ownKey)) {
    const known = places.get(key);
    if (known) known.times += 1;
    else places.set(key, { line: (text ?? '').slice(0, index).split('\n').length, times: 1 });
  }
  return [...places].map(([key, { line, times }]) => ({
    line,
    form: `a key of Countersign (${key.slice(0, 17)}…)`,
    remedy: `See what it reaches: countersign keys leak ${key.slice(6, 16)}. Replace it (keys rotate), end it (keys revoke), and take it out of this file${times === 1 ? '' : `, where it stands ${times} times`}.`,
  }));
}

function findingOf(file: StackFile, { line, form, remedy }: Place): Finding {
  return {
    check: 'known-secret',
    place: `${file.path}:${line}`,
    severity: 'high',
    what: `a secret in the clear: ${form}`,
    why: 'Whoever can read the file, a backup of it or the repository has the secret; programs search public repositories for such forms.',
    repair: repair({ words: remedy }),
  };
}
