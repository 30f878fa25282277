import { DictionaryFault, type Component, type SignatureInput } from './dictionary.ts';

/** The profile of RFC 9421 that Countersign speaks; what is not in it is refused. */
export const tag = 'countersign';

/** Always covered, in the order in which our signer names them; content-digest comes on top whenever there is a body. */
export const coveredAlways = ['@method', '@authority', '@path', '@query'] as const;

const derivedAllowed = new Set<string>([...coveredAlways, '@scheme', '@request-target', '@target-uri']);

export interface ProfiledInput {
  readonly input: SignatureInput;
  readonly created: number;
  readonly expires: number | null;
  readonly nonce: string;
  readonly keyid: string;
  readonly coversDigest: boolean;
  /** Field names among the components. */
  readonly fields: readonly string[];
}

/** Shapes that were found good before: the same text is read into the same list (see dictionary.ts). */
const shapes = new WeakMap<readonly Component[], Shape>();

type Shape = Pick<ProfiledInput, 'coversDigest' | 'fields'>;

/** Throws a DictionaryFault that says which rule of the profile is broken. */
export function profiled(input: SignatureInput): ProfiledInput {
  const { created, expires, nonce, keyid } = input.parameters;
  if (created === null || nonce === null || keyid === null)
    throw new DictionaryFault('the parameters created, nonce and keyid are required');
  if (nonce === '' || nonce.length > 128) throw new DictionaryFault('the nonce must have 1 to 128 characters');
  if (keyid === '' || keyid.length > 256) throw new DictionaryFault('the keyid must have 1 to 256 characters');
  if (expires !== null && expires < created) throw new DictionaryFault('the signature expires before it was created');
  let shape = shapes.get(input.components);
  if (!shape) shapes.set(input.components, (shape = checkedShape(input.components)));
  return { input, created, expires, nonce, keyid, coversDigest: shape.coversDigest, fields: shape.fields };
}

function checkedShape(components: readonly Component[]): Shape {
  for (const { name, parameters } of components) {
    if (parameters !== '')
      throw new DictionaryFault(`the component "${name}"${parameters} has a parameter, which the profile refuses`);
    if (name.startsWith('@') && !derivedAllowed.has(name))
      throw new DictionaryFault(`the component "${name}" is not in the profile`);
  }
  const names = new Set(components.map(({ name }) => name));
  const missing = coveredAlways.filter((name) => !names.has(name));
  if (missing.length > 0) throw new DictionaryFault(`the signature does not cover ${missing.join(', ')}`);
  return { coversDigest: names.has('content-digest'), fields: [...names].filter((name) => !name.startsWith('@')) };
}
