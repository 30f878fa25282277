import type { JsonValue, RecordEntry } from '../core/record.ts';
import type { Seal, SealContext, SealedRecords } from '../crypto/seal.ts';

/** The record with its sealed texts in the clear. Throws a SealError where one does not open. */
export function openedRecord(entry: RecordEntry, kinds: readonly SealedRecords[], seal: () => Seal): RecordEntry {
  return changed(entry, kinds, (text, context) => seal().open(text, context));
}

/** The other way round, under the master key of `seal`. */
export function sealedRecord(entry: RecordEntry, kinds: readonly SealedRecords[], seal: () => Seal): RecordEntry {
  return changed(entry, kinds, (text, context) => seal().seal(text, context));
}

export function hasSealedText(entry: RecordEntry, kinds: readonly SealedRecords[]): boolean {
  let found = false;
  changed(entry, kinds, (text) => {
    found = true;
    return text;
  });
  return found;
}

function changed(
  entry: RecordEntry,
  kinds: readonly SealedRecords[],
  change: (text: string, context: SealContext) => string,
): RecordEntry {
  const known = kinds.find(({ kind }) => kind === entry.kind);
  if (!known) return entry;
  // Where nothing is sealed the value may be anything, so that no context is asked of it.
  const value = known.places.reduce(
    (whole, place) => changedAt(whole, place, (text) => change(text, known.context(entry.id, entry.value))),
    entry.value,
  );
  return { ...entry, value };
}

function changedAt(value: JsonValue, [name, ...rest]: readonly string[], change: (text: string) => string): JsonValue {
  if (name === undefined) return typeof value === 'string' ? change(value) : value;
  if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, name)) return value;
  const parts = value as { readonly [name: string]: JsonValue };
  return { ...parts, [name]: changedAt(parts[name] ?? null, rest, change) };
}
