// The beginning of one too: what is cut short elsewhere must not leave half a secret.
const ownKey = /(cs_(?:sk|hs|st|ad)_[0-9A-Za-z]{10}_)[0-9A-Za-z]+/g;

/** A text in which keys of ours keep their public part alone. */
export function withoutOwnKeys(text: string): string {
  return text.replace(ownKey, '$1…');
}

/**
 * A text without what may be a key, for messages that repeat what somebody wrote: a key ends up where its file was to be named. Long
 * words with digits in them keep their beginning, keys of ours their public part.
 */
export function withoutKeys(text: string): string {
  const shown = text.replace(/[\w-]{32,}/g, (word) => {
    const own = withoutOwnKeys(word);
    if (own !== word && word.startsWith('cs_')) return own.slice(0, own.indexOf('…') + 1);
    return /[A-Za-z]/.test(word) && (word.match(/\d/g)?.length ?? 0) >= 4 ? `${word.slice(0, 4)}…` : word;
  });
  return withoutOwnKeys(shown);
}
