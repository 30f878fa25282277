import { isDeepStrictEqual } from 'node:util';
import type { KeyUse } from '../core/credential.ts';
import type { RecordEntry } from '../core/record.ts';
import { isPassing, type State } from './state.ts';

/** What one store lacks of a backup, what it has otherwise, and what it has beyond it. Each is named: 'key 4fTq0ZkP1a'. */
export interface Difference {
  /** The parts of the backup that are not there yet. */
  readonly missing: State;
  readonly missingNames: readonly string[];
  readonly different: readonly string[];
  readonly beyond: readonly string[];
}

type Kind = keyof State;

/** Stores keep times to the millisecond at least. */
const toleranceSeconds = 0.002;

/** Compares by what counts at `now`: tokens and records that ended since the backup, or end soon, are missed by nobody. */
export function compareStates(wanted: State, found: State, now: number): Difference {
  const names = { missing: [] as string[], different: [] as string[], beyond: [] as string[] };

  function parts<K extends Kind>(
    kind: K,
    word: string,
    nameOf: (item: State[K][number]) => string,
    same: (wanted: State[K][number], found: State[K][number]) => boolean = alike,
  ): State[K][number][] {
    const there = new Map(found[kind].map((item) => [nameOf(item), item]));
    const missing: State[K][number][] = [];
    for (const item of wanted[kind].filter((each) => counts(each, kind, now))) {
      const name = nameOf(item);
      const other = there.get(name);
      there.delete(name);
      if (other === undefined) {
        missing.push(item);
        names.missing.push(`${word} ${name}`);
      } else if (!same(item, other)) names.different.push(`${word} ${name}`);
    }
    for (const name of there.keys()) names.beyond.push(`${word} ${name}`);
    return missing;
  }

  const missing: State = {
    keys: parts('keys', 'key', ({ id }) => id),
    revocations: parts('revocations', 'revocation', (each) => each),
    tokens: parts('tokens', 'token', ({ tokenId }) => tokenId),
    modes: parts('modes', 'mode', ({ scope }) => `of ${scope === '' ? 'the stack' : scope}`),
    records: parts('records', 'record', ({ kind, id }) => `${kind}/${id}`),
    uses: parts(
      'uses',
      'use',
      ({ credentialId, caller, clientAddress }) => [credentialId, caller, clientAddress].join(' '),
      goesOn,
    ),
  };
  return { missing, missingNames: names.missing, different: names.different, beyond: names.beyond };
}

function counts(item: unknown, kind: Kind, now: number): boolean {
  if (kind !== 'tokens' && kind !== 'records') return true;
  // Files of earlier versions hold some.
  if (kind === 'records' && isPassing((item as RecordEntry).kind)) return false;
  const { expiresAt } = item as { readonly expiresAt: number | null };
  return expiresAt === null || expiresAt > now;
}

/** A store that is at work has counted on. */
function goesOn(wanted: KeyUse, found: KeyUse): boolean {
  return found.count >= wanted.count && found.lastUsed >= wanted.lastUsed - toleranceSeconds;
}

function alike(wanted: unknown, found: unknown): boolean {
  if (typeof wanted !== 'object' || wanted === null || typeof found !== 'object' || found === null)
    return wanted === found;
  const left = Object.entries(wanted);
  if (left.length !== Object.keys(found).length) return false;
  return left.every(([name, value]) => {
    const other: unknown = found[name as keyof typeof found];
    if (typeof value === 'number' && typeof other === 'number' && name.endsWith('At'))
      return Math.abs(value - other) <= toleranceSeconds;
    return isDeepStrictEqual(value, other);
  });
}
