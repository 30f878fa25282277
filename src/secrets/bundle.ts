import { isMap, isScalar, isSeq, Scalar, visit as visitNodes, type Node, type YAMLMap } from 'yaml';
import { SecretsError } from './secrets-error.ts';
import { keyText, nameOf, parseDocuments, setPair, topMap, visit } from './sops/document.ts';
import { leafOf, setLeaf, utf8, type Leaf, type LeafType } from './sops/leaf.ts';
import type { SopsFile } from './sops/sops-file.ts';

/** One value of a bundle. Its name is the path of keys down to it: 'aidb_api_key', 'stringData/token', 'list/0'. */
export interface Entry {
  readonly name: string;
  readonly type: LeafType;
  /** False where the file's rule leaves it in the clear. */
  readonly encrypted: boolean;
  readonly leaf: Leaf;
}

const namePart = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const depthMax = 16;
const bytesMax = 64 * 1024;

export function entriesOf(file: SopsFile): Entry[] {
  const entries: Entry[] = [];
  for (const document of file.documents) {
    visit(document, {
      leaf(scalar, position) {
        const leaf = leafOf(scalar, nameOf(position));
        if (leaf === null) return;
        entries.push({ name: nameOf(position), type: leaf.type, encrypted: file.rule.encrypts(position.keys), leaf });
      },
    });
  }
  return entries;
}

/** The names of what differs between two states of a bundle; never a value. */
export interface BundleChanges {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

export function changesBetween(before: readonly Entry[], after: readonly Entry[]): BundleChanges {
  const [old, next] = [valuesByName(before), valuesByName(after)];
  return {
    added: [...next.keys()].filter((name) => !old.has(name)),
    changed: [...next].filter(([name, value]) => old.has(name) && old.get(name) !== value).map(([name]) => name),
    removed: [...old.keys()].filter((name) => !next.has(name)),
  };
}

/** Several values may have one name: a key can hold the slash that leads into a group elsewhere. */
function valuesByName(entries: readonly Entry[]): Map<string, string> {
  const values = new Map<string, string>();
  for (const { name, type, leaf } of entries)
    values.set(name, `${values.get(name) ?? ''}${type}:${Buffer.from(leaf.bytes).toString('base64')} `);
  return values;
}

/** Throws 'no_such_secret' with the names that look alike. */
export function entryNamed(file: SopsFile, name: string): Entry {
  const entries = entriesOf(file);
  const found = entries.filter((entry) => entry.name === name);
  if (found.length > 1)
    throw new SecretsError(
      'invalid_secret',
      `${found.length} values are called ${name} here; use the sops program for these`,
    );
  if (!found[0]) {
    const below = entries.filter((entry) => entry.name.startsWith(`${name}/`)).map((entry) => entry.name);
    const hint = below.length > 0 ? `; there are ${below.slice(0, 5).join(', ')}` : '';
    throw new SecretsError('no_such_secret', `there is no secret ${name}${hint}`);
  }
  return found[0];
}

export function textOf({ leaf, name }: Entry): string {
  return utf8(leaf.bytes, name);
}

/** Null when a new secret may be called so. */
export function nameFault(name: string): string | null {
  const parts = name.split('/');
  if (parts.length > depthMax || !parts.every((part) => namePart.test(part)))
    return 'a name is letters, digits, "_", "-" and ".", not longer than 128; a "/" leads into a group: database/password';
  return parts[0] === 'sops' ? '"sops" is the part of the file that SOPS keeps for itself' : null;
}

/** Text under that name: over the old value, else as a new one at the end. `inClear` must be true where the rule encrypts nothing. */
export function setSecret(file: SopsFile, name: string, value: string, inClear = false): 'changed' | 'added' | 'same' {
  if (Buffer.byteLength(value) > bytesMax)
    throw new SecretsError('invalid_secret', `${name}: larger than ${bytesMax} bytes`);
  if (value === '') throw new SecretsError('invalid_secret', `${name}: an empty secret protects nothing`);
  const leaf: Leaf = { type: 'str', bytes: Buffer.from(value) };
  const known = entriesOf(file).filter((entry) => entry.name === name);
  const keys = name.split('/');
  if (known[0]) {
    entryNamed(file, name);
    if (!known[0].encrypted) refuseClear(name, inClear);
    if (known[0].type === 'str' && known[0].leaf.bytes.equals(leaf.bytes)) return 'same';
    setLeaf(scalarAt(file, name), leaf, name);
    return 'changed';
  }
  const fault = nameFault(name);
  if (fault !== null) throw new SecretsError('invalid_secret', `"${name}" cannot be a name: ${fault}`);
  if (!file.rule.encrypts(keys)) refuseClear(name, inClear);
  addLeaf(file, keys, leaf);
  return 'added';
}

function refuseClear(name: string, inClear: boolean): void {
  if (inClear) return;
  throw new SecretsError(
    'invalid_secret',
    `${name} would stand in the clear: by its rule this file does not encrypt that name`,
  );
}

function scalarAt(file: SopsFile, name: string): Scalar {
  let found: Scalar | null = null;
  for (const document of file.documents) {
    visit(document, {
      leaf(scalar, position) {
        if (nameOf(position) === name) found ??= scalar;
      },
    });
  }
  return found ?? new Scalar(null);
}

function addLeaf(file: SopsFile, keys: readonly string[], leaf: Leaf): void {
  const [document] = file.documents;
  if (!document) throw new SecretsError('bundle_invalid', 'has no document');
  let map = topMap(document);
  for (const [index, key] of keys.entries()) {
    const place = keys.slice(0, index + 1).join('/');
    const pair = map.items.find((each) => keyText(each) === key);
    const last = index === keys.length - 1;
    const value = pair?.value as Node | null | undefined;
    if (last && pair && (isMap(value) || isSeq(value)))
      throw new SecretsError('invalid_secret', `${place} is a group of values; name one within it`);
    if (last) return put(map, key, scalarOf(leaf, place), file);
    if (value && !isMap(value) && !(isScalar(value) && value.value === null))
      throw new SecretsError('invalid_secret', `${place} is a value, so nothing can stand within it`);
    if (!isMap(value)) put(map, key, document.createNode({}) as unknown as YAMLMap, file);
    map = map.get(key) as YAMLMap;
  }
}

function put(map: YAMLMap, key: string, node: Node, file: SopsFile): void {
  // An empty map is read as {}, and would go on in that style.
  if (file.form === 'yaml') map.flow = false;
  setPair(map, key, node);
}

function scalarOf(leaf: Leaf, name: string): Scalar {
  const scalar = new Scalar(null);
  setLeaf(scalar, leaf, name);
  return scalar;
}

/** Takes the value out; groups that are empty then stay. */
export function removeSecret(file: SopsFile, name: string): void {
  entryNamed(file, name);
  // The very value that has the name: a key may itself hold a slash, and so look like the way into a group.
  const found = scalarAt(file, name);
  for (const document of file.documents)
    visitNodes(document, {
      Pair: (_key, pair) => (pair.value === found ? visitNodes.REMOVE : undefined),
      Scalar: (_key, scalar) => (scalar === found ? visitNodes.REMOVE : undefined),
    });
}

/** The whole in the clear, replaced by another text. */
export function replaceText(file: SopsFile, text: string): void {
  const documents = parseDocuments(text, file.form);
  if (documents.length === 0) throw new SecretsError('bundle_invalid', 'is empty');
  for (const document of documents) {
    if (topMap(document).items.some((pair) => keyText(pair) === 'sops'))
      throw new SecretsError('bundle_invalid', '"sops" is the part of the file that SOPS keeps for itself');
    // Read once as a whole: what cannot be kept is told before anything is written.
    visit(document, { leaf: (scalar, position) => void leafOf(scalar, nameOf(position)) });
  }
  file.documents = documents;
}
