import type { MacKeyEntry, SignatureKeyEntry } from '../../core/credential.ts';
import { byRank, type KnownKey } from './known-key.ts';

/** Keys by a name that several may share, in order of rank. A change costs what it touches, however many names there are. */
export interface KeysByName {
  /** What is handed out is never changed: a caller may hold it across a change. */
  get(name: string): NamedKeys;
  add(name: string, key: KnownKey): void;
  remove(name: string, key: KnownKey): void;
}

export interface NamedKeys {
  readonly keys: readonly KnownKey[];
  readonly macs: readonly MacKeyEntry[];
  readonly signatures: readonly SignatureKeyEntry[];
}

const nobody: NamedKeys = Object.freeze({ keys: [], macs: [], signatures: [] });

export function keysByName(): KeysByName {
  /** Nearly every name has one key, and most are never asked for: then the key alone, since there is a name for each key. */
  const names = new Map<string, KnownKey | KnownKey[]>();
  /** Of those that were asked for since they last changed. */
  const asked = new Map<string, NamedKeys>();

  return {
    get(name) {
      const before = asked.get(name);
      if (before) return before;
      const there = names.get(name);
      if (!there) return nobody;
      const keys = Array.isArray(there) ? there.toSorted(byRank) : [there];
      const named = {
        keys,
        macs: keys.flatMap((key) => key.entries.mac ?? []),
        signatures: keys.flatMap((key) => key.entries.signature ?? []),
      };
      asked.set(name, named);
      return named;
    },
    add(name, key) {
      asked.delete(name);
      const there = names.get(name);
      if (!there) names.set(name, key);
      else if (Array.isArray(there)) there.push(key);
      else names.set(name, [there, key]);
    },
    remove(name, key) {
      asked.delete(name);
      const there = names.get(name);
      if (there === key) names.delete(name);
      if (!Array.isArray(there)) return;
      const index = there.indexOf(key);
      const last = index < 0 ? undefined : there.pop();
      if (last && index < there.length) there[index] = last;
      if (there.length === 0) names.delete(name);
    },
  };
}
