const ownKey = /^cs_(?:sk|hs|st|ad)_[0-9A-Za-z]{10}_/;

/**
 * A text without what may be a key, for messages that repeat what somebody wrote: a key ends up where its file was to be named. Long
 * words with digits in them keep their beginning, keys of ours their public part.
 */
export function withoutKeys(text: string): string {
  return text.replace(/[\w-]{32,}/g, (word) => {
    const own = ownKey.exec(word);
    if (own) return `${own[0]}…`;
    return /[A-Za-z]/.test(word) && (word.match(/\d/g)?.length ?? 0) >= 4 ? `${word.slice(0, 4)}…` : word;
  });
}
