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

function ownKeys({ text }: StackFile): Place[] {
  return [...(text ?? '').matchAll(ownKey)].map((match) => ({
    line: (text ?? '').slice(0, match.index).split('\n').length,
    form: `a key of Countersign (${match[0].slice(0, 17)}…)`,
    remedy: `See what it reaches: countersign keys leak ${match[0].slice(6, 16)}. Replace it (keys rotate), end it (keys revoke), and take it out of this file.`,
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
