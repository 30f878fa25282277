import { isObject } from '../../core/json/object.ts';
import { valueAt, type Path, type SourceDocument } from '../schema/document.ts';
import type { Fault } from '../faults.ts';

/**
 * One value of the file with its place. Checks read through it, so that they find what they can judge in a file that has other
 * faults too: every fault is shown at once.
 */
export interface Place {
  readonly value: unknown;
  /** The value when it is a text. */
  readonly text: string | null;
  get(key: string): Place;
  /** Entries of a list; none when it is no list. */
  items(): Place[];
  /** Entries of a map; none when it is no map. */
  entries(): (readonly [string, Place])[];
  fault(message: string, hint: string): Fault;
  /** At the key instead of the value. */
  keyFault(message: string, hint: string): Fault;
}

export function placeIn(source: SourceDocument, path: Path = []): Place {
  const value = valueAt(source.value, path);
  return {
    value,
    text: typeof value === 'string' ? value : null,
    get: (key) => placeIn(source, [...path, key]),
    items: () => (Array.isArray(value) ? value.map((_, index) => placeIn(source, [...path, index])) : []),
    entries: () =>
      isObject(value) ? Object.keys(value).map((key) => [key, placeIn(source, [...path, key])] as const) : [],
    fault: (message, hint) => source.fault(path, 'value', message, hint),
    keyFault: (message, hint) => source.fault(path, 'key', message, hint),
  };
}
