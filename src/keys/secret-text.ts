import { mintedKind, wellFormed, type MintedKind } from '../crypto/key-format.ts';

/** Shorter ones are guessed. Not imposed on secret files, whose stacks chose their keys before we came. */
export const secretLengthMin = 16;
const secretLengthMax = 4096;

/** Null when a header can carry the text; otherwise what is wrong, without showing any of it. */
export function unpresentable(secret: string): string | null {
  if (secret === '') return 'is empty';
  if (secret.length > secretLengthMax) return `is longer than ${secretLengthMax} characters`;
  // What editors and shells add, and no editor shows.
  if (secret.startsWith('\uFEFF')) return 'begins with a byte order mark: save it as UTF-8 without one';
  if (/[\r\n]$/.test(secret)) return 'ends with a newline that is not part of it: leave that out';
  for (let index = 0; index < secret.length; index += 1) {
    const code = secret.charCodeAt(index);
    if (code <= 0x20) return 'holds white space or a control character';
    if (code >= 0x7f) return 'holds a character that is not printable ASCII';
  }
  return null;
}

/**
 * What a key was most likely pasted with, and is part of it all the same; null when there is nothing of the kind. Never a reason to
 * refuse: callers of a stack whose programs read the file as it is send it too.
 */
export function pastedWith(secret: string): string | null {
  if (/^(["'`]).*\1$/.test(secret)) return 'stands in quotes, which count as part of it; leave them out';
  if (/^\w*(?:KEY|TOKEN|SECRET|PASSWORD)=[^=]/i.test(secret))
    return 'begins with a name and "=", which count as part of it; leave them out';
  return null;
}

const meaning: Record<MintedKind, string> = {
  sk: 'an API key',
  hs: 'an HMAC secret',
  st: 'a session token',
  ad: 'an admin token',
};

/** Null for foreign secrets and for whole ones of the wanted kind; a cut-off or misplaced cs_ key is told before it fails. */
export function mintedFault(secret: string, wanted: 'sk' | 'hs'): string | null {
  const kind = mintedKind(secret);
  if (kind === null) return null;
  if (!wellFormed(secret)) return 'looks like one of our keys, but is cut off or mistyped (its check does not match)';
  return kind === wanted ? null : `is ${meaning[kind]} (cs_${kind}_…), where ${meaning[wanted]} belongs`;
}

/** Null when requests can show this text as the admin token; a key of another kind is read as what it says it is. */
export function adminTokenFault(secret: string): string | null {
  const kind = mintedKind(secret);
  if (kind !== null && kind !== 'ad') return `is ${meaning[kind]} (cs_${kind}_…)`;
  return unpresentable(secret);
}

/** Null when the secret looks random enough; an upper bound on its bits, so that only clear cases are complained of. */
export function weakness(secret: string): string | null {
  if (secret.length < secretLengthMin) return `has only ${secret.length} characters`;
  const bitsMax = secret.length * Math.log2(new Set(secret).size);
  return bitsMax < 64 ? 'repeats a few characters and can be guessed' : null;
}
