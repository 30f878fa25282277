import { nearest } from '../../core/text/nearest.ts';
import type { AuthoritySourceOptions, KeySource } from '../../keys/sources/index.ts';
import { oneOf, shown, wholeFault, type Fault } from '../faults.ts';

/** Where keys come from; relative paths begin at the working folder. */
export type KeyOption =
  /** Shared keys of called services: of the files that match, <service>_api_key and stack_api_key are used. */
  | { readonly files: string }
  /** HMAC secrets of callers, one .env file each. */
  | { readonly envFiles: string }
  /** Keys, session tokens, modes and limits of a stack: 'sqlite:FILE'. At most one. */
  | { readonly store: string }
  /** Keys and session tokens of a stack from its authority, kept fresh. */
  | AuthorityOption
  | KeySource;

/** `token`, or a file that holds it, needs the scope keys:read. See AuthoritySourceOptions for the rest. */
export interface AuthorityOption extends Pick<
  AuthoritySourceOptions,
  'token' | 'tokenFile' | 'staleSecondsMax' | 'timeoutSeconds'
> {
  /** Where the authority answers: https, or http on this machine. */
  readonly authority: string;
}

/** What a place is written with. */
const placeWords = ['files', 'envFiles', 'store', 'authority'] as const;
/** What may stand beside an authority, and beside nothing else. */
const besideAuthority: Readonly<Record<Exclude<keyof AuthorityOption, 'authority'>, 'string' | 'number'>> = {
  token: 'string',
  tokenFile: 'string',
  staleSecondsMax: 'number',
  timeoutSeconds: 'number',
};
const tokenWords: ReadonlySet<string> = new Set<keyof AuthorityOption>(['token', 'tokenFile']);
const types: Readonly<Record<string, 'string' | 'number'>> = {
  ...Object.fromEntries(placeWords.map((word) => [word, 'string'])),
  ...besideAuthority,
};

/** What to write where keys are not found. */
export const whereKeysAre = `write keys: [{ files: '/run/secrets/*_api_key' }], or config: 'countersign.yaml' to follow a stack`;

/** What is wrong with the option `keys`: a word that nobody reads would leave what it says undone. */
export function keysFaults(keys: unknown): Fault[] {
  if (keys === undefined) return [wholeFault('"keys" is missing', whereKeysAre)];
  if (!Array.isArray(keys) || !keys.every((entry) => typeof entry === 'object' && entry !== null))
    return [wholeFault('"keys" must be a list of places', whereKeysAre)];
  const stores = keys.filter((entry: object) => 'store' in entry);
  return [
    ...(stores.length > 1 ? [wholeFault('keys can name one store only', 'leave out all but one')] : []),
    ...keys.flatMap((entry, index) => ('start' in entry ? [] : entryFaults(entry, `entry ${index + 1} of keys`))),
  ];
}

function entryFaults(entry: object, at: string): Fault[] {
  const given = Object.entries(entry).filter(([, value]) => value !== undefined);
  const named = placeWords.filter((place) => given.some(([word]) => word === place));
  const faults = given.flatMap(([word, value]) => wordFaults(word, value, at));
  const beside = given.find(([word]) => word in besideAuthority);
  if (named.length > 1) faults.push(wholeFault(`${at} names ${named.join(' and ')}`, 'write an entry for each'));
  else if (named.length === 0 && faults.length === 0)
    faults.push(wholeFault(`${at} names no place`, `write one of ${oneOf(placeWords)}`));
  else if (beside && named.length === 1 && named[0] !== 'authority')
    faults.push(wholeFault(`"${beside[0]}" is not read in ${at}`, 'it belongs beside "authority"'));
  else if (named[0] === 'authority' && given.filter(([word]) => tokenWords.has(word)).length !== 1)
    faults.push(wholeFault(`the authority in ${at} needs its token`, 'write token or tokenFile, one of the two'));
  return faults;
}

function wordFaults(word: string, value: unknown, at: string): Fault[] {
  const type = Object.hasOwn(types, word) ? types[word] : undefined;
  if (type === undefined) {
    const meant = nearest(word, Object.keys(types));
    const hint = meant === null ? `known there: ${Object.keys(types).join(', ')}` : `did you mean "${meant}"?`;
    return [wholeFault(`unknown word ${shown(word)} in ${at}`, hint)];
  }
  if (typeof value === type) return [];
  return [wholeFault(`"${word}" in ${at} must be a ${type === 'string' ? 'text' : type}, not ${shown(value)}`, '')];
}
