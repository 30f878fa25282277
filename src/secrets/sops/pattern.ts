import { createContext, Script } from 'node:vm';

/** For all that is matched with one pattern. Patterns that are meant for names take microseconds. */
const millisMax = 2000;

const matching = new Script('pattern.test(text)');

/**
 * A pattern of the file, or of `.sops.yaml`. Whoever can write these can write one that goes on for years, which it could not in the
 * sops program; here it throws when its time is over, as it does for what is no pattern.
 */
export function patternOf(source: string, flags: string): (text: string) => boolean {
  const within = createContext({ pattern: new RegExp(source, flags), text: '' });
  const known = new Map<string, boolean>();
  let left = millisMax;
  return (text) => {
    const before = known.get(text);
    if (before !== undefined) return before;
    within['text'] = text;
    const begun = performance.now();
    const found = matching.runInContext(within, { timeout: Math.max(1, Math.ceil(left)) }) === true;
    left -= performance.now() - begun;
    known.set(text, found);
    return found;
  };
}
