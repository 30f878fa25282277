import { isMap, Scalar, type Document, type Pair, type YAMLMap } from 'yaml';
import { equalText } from '../../crypto/compare.ts';
import { SecretsError } from '../secrets-error.ts';
import { keyText, setPair, topMap } from './document.ts';
import { openSealed, parseSealed, seal } from './sealed-value.ts';
import type { Rule } from './rule.ts';

/** The data key, encrypted for one holder of an age identity. */
export interface AgeStanza {
  readonly recipient: string;
  /** The age file in its armour. */
  readonly enc: string;
}

/** What stands under `sops:` at the end of a file. The node is kept whole, so that what is not ours is written back as it was. */
export interface Metadata {
  readonly node: YAMLMap;
  readonly settings: Readonly<Record<string, unknown>>;
}

const key = 'sops';
/** The version of the sops program whose files ours are like. */
const version = '3.13.3';
const otherHolders = ['kms', 'gcp_kms', 'hckms', 'azure_kv', 'hc_vault', 'pgp'] as const;

/** Takes the metadata out of the documents, which are left with the values alone. */
export function takeMetadata(documents: readonly Document[]): Metadata {
  let node: YAMLMap | null = null;
  for (const [index, document] of documents.entries()) {
    const map = topMap(document);
    const found = map.items.filter((pair) => keyText(pair) === key);
    for (const pair of found) {
      if (index === 0 && isMap(pair.value)) node = pair.value as YAMLMap;
      map.items.splice(map.items.indexOf(pair), 1);
      keepComment(map, pair);
    }
  }
  if (node === null)
    throw new SecretsError('bundle_invalid', 'has no `sops:` part, so it is not encrypted or not by SOPS');
  return { node, settings: node.toJSON() as Record<string, unknown> };
}

/** What stands above `sops:` is the last comment of the values. */
function keepComment(map: YAMLMap, pair: Pair<unknown, unknown>): void {
  const before = (pair.key as Scalar).commentBefore;
  if (before) map.comment = before;
}

export function putMetadata(documents: readonly Document[], { node }: Metadata): void {
  for (const document of documents) {
    const map = topMap(document);
    const name = document.createNode(key) as Scalar;
    const last = [map.comment, document.comment].filter(Boolean).join('\n');
    if (last !== '') name.commentBefore = last;
    map.comment = null;
    document.comment = null;
    map.flow = false;
    map.items.push(document.createPair(name, node.clone()) as unknown as Pair<unknown, unknown>);
  }
}

/** A new file's metadata, without data key and MAC. */
export function newMetadata(document: Document, rule: Rule): Metadata {
  const node = document.createNode({}) as unknown as YAMLMap;
  if (rule.field !== null) setPair(node, rule.field, new Scalar(rule.text));
  return { node, settings: rule.field === null ? {} : { [rule.field]: rule.text } };
}

export function stanzasOf({ settings }: Metadata): AgeStanza[] {
  if (settings['key_groups'] !== undefined || Number(settings['shamir_threshold'] ?? 0) > 1)
    throw new SecretsError('bundle_invalid', 'shares its key between groups, which only the sops program can open');
  const list = settings['age'] ?? [];
  if (!Array.isArray(list)) throw new SecretsError('bundle_invalid', 'sops.age must be a list');
  return list.map((entry: unknown) => {
    const { recipient, enc } = (entry ?? {}) as Record<string, unknown>;
    if (typeof recipient !== 'string' || typeof enc !== 'string')
      throw new SecretsError('bundle_invalid', 'an entry of sops.age lacks its recipient or its key');
    if (!/^[\x20-\x7e]{1,4096}$/.test(recipient))
      throw new SecretsError('bundle_invalid', 'a recipient in sops.age is not plain text');
    return { recipient, enc };
  });
}

/** Kinds of key holders beside age, for which we cannot encrypt: 'pgp', 'kms'. */
export function otherHoldersOf({ settings }: Metadata): string[] {
  return otherHolders.filter((name) => Array.isArray(settings[name]) && settings[name].length > 0);
}

/** Throws unless the file's MAC is the one that was computed. */
export function checkMac({ settings }: Metadata, computed: string, dataKey: Uint8Array): void {
  const { mac, lastmodified } = settings;
  const sealed = typeof mac === 'string' ? parseSealed(mac) : null;
  if (sealed === null || typeof lastmodified !== 'string')
    throw new SecretsError('bundle_changed', 'has no MAC, so nobody can tell whether it was changed');
  const written = openSealed(sealed, dataKey, lastmodified)?.toString('utf8') ?? '';
  if (!equalText(written, computed))
    throw new SecretsError(
      'bundle_changed',
      'was changed after it was written (its MAC does not match): values were changed, added, removed or put in another order',
    );
}

export interface Signing {
  readonly mac: string;
  readonly dataKey: Uint8Array;
  /** RFC 3339, whole seconds. */
  readonly lastModified: string;
}

export function setMac({ node }: Metadata, { mac, dataKey, lastModified }: Signing): void {
  const quoted = new Scalar(lastModified);
  // Without quotes a YAML parser takes it for a time and may write it in another way.
  quoted.type = Scalar.QUOTE_DOUBLE;
  setPair(node, 'lastmodified', quoted);
  setPair(node, 'mac', new Scalar(seal(Buffer.from(mac), 'str', dataKey, lastModified)));
  if (!node.has('version')) setPair(node, 'version', new Scalar(version));
}

export function setStanzas(document: Document, { node }: Metadata, stanzas: readonly AgeStanza[]): void {
  const list = document.createNode(
    stanzas.map(({ recipient, enc }) => {
      const armoured = new Scalar(enc);
      armoured.type = Scalar.BLOCK_LITERAL;
      return { recipient, enc: armoured };
    }),
  );
  setPair(node, 'age', list);
}
