import { isObject } from '../core/json/object.ts';
import { StoreError } from '../core/store.ts';

/**
 * A JSON list of strings; `of` says whose it is. Throws on anything else: scopes and addresses bound what a credential may do, and an empty list
 * of addresses means anywhere, so what cannot be read must not become one.
 */
export function stringList(text: string, of: string): string[] {
  const value = parsed(text);
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
  throw new StoreError(
    'store_unavailable',
    `the stored ${of} has scopes or addresses that are not a JSON list of strings: another program wrote them; put them right in its row, or delete it`,
  );
}

/** A JSON object; empty where other programs left nothing, or something else. */
export function jsonObject(text: string | null): Record<string, unknown> {
  const value = text === null ? null : parsed(text);
  return isObject(value) ? value : {};
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
