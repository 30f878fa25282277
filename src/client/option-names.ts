import { nearest } from '../core/text/nearest.ts';

/**
 * Throws a TypeError on an option that nobody would read. The compiler says so too, but not to everyone: a `baseURL`, as other
 * clients have it, would leave the credential without a base, and so free to go to any origin.
 */
export function checkNames(what: string, given: unknown, known: Readonly<Record<string, true>>): void {
  const names = Object.keys(known);
  if (typeof given !== 'object' || given === null)
    throw new TypeError(`${what} needs options: an object with ${names.join(', ')}`);
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(known, name));
  if (unknown === undefined) return;
  const meant = nearest(unknown, names);
  const hint = meant === null ? `it has ${names.join(', ')}` : `did you mean ${meant}?`;
  throw new TypeError(`${what} has no option ${unknown}; ${hint}`);
}
