import { isScalar, type Document, type Node, type YAMLSeq } from 'yaml';
import { sha256, sha512 } from '../../crypto/digest.ts';
import { SecretsError } from '../secrets-error.ts';
import { nameOf, visit } from './document.ts';
import { leafOf, openedLeaf, setLeaf, type Leaf } from './leaf.ts';
import type { Rule } from './rule.ts';
import { associatedWith, openSealed, parseSealed, seal, type SealedType } from './sealed-value.ts';

/** How a file's values are kept: what is encrypted, and what the MAC is over. */
export interface Scheme {
  readonly rule: Rule;
  readonly macOnlyEncrypted: boolean;
}

/** What is encrypted already, so that a value that did not change keeps its bytes and a commit shows only what did. */
export class SealedValues {
  readonly #texts = new Map<string, string[]>();

  add(place: string, type: SealedType, plain: Uint8Array, text: string): void {
    const key = keyOf(place, type, plain);
    this.#texts.set(key, [...(this.#texts.get(key) ?? []), text]);
  }

  /** Each is given out once: two equal values in a list shall not be seen to be equal. */
  take(place: string, type: SealedType, plain: Uint8Array): string | null {
    return this.#texts.get(keyOf(place, type, plain))?.shift() ?? null;
  }
}

function keyOf(place: string, type: SealedType, plain: Uint8Array): string {
  return JSON.stringify([place, type, Buffer.from(plain).toString('base64')]);
}

/** Decrypts the documents in place; returns the MAC of what was found, in upper-case hex. */
export function decryptDocuments(
  documents: readonly Document[],
  { rule, macOnlyEncrypted }: Scheme,
  key: Uint8Array,
  sealed: SealedValues,
): string {
  const mac = macOver(macOnlyEncrypted);
  for (const document of documents) {
    visit(document, {
      list: (list, keys) => takeComments(list, keys, key, sealed),
      leaf(scalar, position) {
        const name = nameOf(position);
        const encrypted = rule.encrypts(position.keys);
        let leaf = leafOf(scalar, name);
        if (leaf === null) return;
        if (encrypted && leaf.bytes.length > 0) {
          leaf = openLeaf(leaf, key, associatedWith(position.keys), name, sealed);
          setLeaf(scalar, leaf, name);
        }
        mac.add(leaf.bytes, encrypted);
      },
      comment: (line, keys, inner) => openComment(line, [keys, ...above(keys), ...(inner ? [inner] : [])], key, sealed),
    });
  }
  return mac.text();
}

function openLeaf(leaf: Leaf, key: Uint8Array, place: string, name: string, sealed: SealedValues): Leaf {
  const text = leaf.bytes.toString('utf8');
  const parsed = leaf.type === 'str' ? parseSealed(text) : null;
  if (parsed === null || parsed.type === 'comment')
    throw new SecretsError('bundle_changed', `${name} is in the clear, and by the rule of this file it is encrypted`);
  const bytes = openSealed(parsed, key, place);
  if (bytes === null)
    throw new SecretsError('bundle_changed', `${name} does not open: it was changed, or moved from another place`);
  const opened = openedLeaf(parsed.type, bytes, name);
  sealed.add(place, opened.type, opened.bytes, text);
  return opened;
}

/**
 * Comments are in no MAC and parsers differ about which map one belongs to, so every place that it can be meant for is tried.
 * One that does not open stays as it stands, as the sops program has it.
 */
function openComment(
  line: string,
  places: readonly (readonly string[])[],
  key: Uint8Array,
  sealed: SealedValues,
): string {
  const parsed = parseSealed(line);
  if (parsed?.type !== 'comment') return line;
  for (const keys of places) {
    const place = associatedWith(keys);
    const bytes = openSealed(parsed, key, place);
    if (bytes === null) continue;
    const text = bytes.toString('utf8');
    // A line break would make a value of what follows it.
    if (/[\n\r]/.test(text)) return line;
    sealed.add(place, 'comment', bytes, line);
    return text;
  }
  return line;
}

/** Within a list SOPS keeps an encrypted comment as an item of its own: it becomes a comment on the item after it again. */
function takeComments(list: YAMLSeq, keys: readonly string[], key: Uint8Array, sealed: SealedValues): void {
  const kept: unknown[] = [];
  let pending: string[] = [];
  for (const item of list.items) {
    const text = isScalar(item) && typeof item.value === 'string' ? item.value : '';
    const opened = parseSealed(text)?.type === 'comment' ? openComment(text, [keys], key, sealed) : text;
    if (opened !== text) pending.push(opened);
    else {
      const node = item as Node;
      if (pending.length > 0)
        node.commentBefore = [...pending, ...(node.commentBefore ? [node.commentBefore] : [])].join('\n');
      pending = [];
      kept.push(item);
    }
  }
  if (pending.length > 0) list.comment = [...pending, ...(list.comment ? [list.comment] : [])].join('\n');
  list.items = kept;
}

function above(keys: readonly string[]): string[][] {
  return keys.map((_, index) => keys.slice(0, keys.length - 1 - index));
}

export interface Encrypted {
  readonly mac: string;
  /** All that the documents now hold encrypted. */
  readonly sealed: SealedValues;
}

/** Encrypts the documents in place. What is in `known` keeps its bytes, and is used up by that. */
export function encryptDocuments(
  documents: readonly Document[],
  { rule, macOnlyEncrypted }: Scheme,
  key: Uint8Array,
  known: SealedValues,
): Encrypted {
  const mac = macOver(macOnlyEncrypted);
  const sealed = new SealedValues();
  const sealedText = (plain: Uint8Array, type: SealedType, keys: readonly string[]): string => {
    const place = associatedWith(keys);
    const text = known.take(place, type, plain) ?? seal(plain, type, key, place);
    sealed.add(place, type, plain, text);
    return text;
  };
  for (const document of documents) {
    visit(document, {
      leaf(scalar, position) {
        const encrypted = rule.encrypts(position.keys);
        const name = nameOf(position);
        const leaf = leafOf(scalar, name);
        if (leaf === null) return;
        mac.add(leaf.bytes, encrypted);
        // Written anew even in the clear, so that every parser reads the value that the MAC is over.
        if (!encrypted) setClear(scalar, leaf, name);
        else if (leaf.bytes.length > 0)
          setLeaf(scalar, { type: 'str', bytes: Buffer.from(sealedText(leaf.bytes, leaf.type, position.keys)) }, name);
      },
      comment: (line, keys) =>
        rule.encrypts(keys) && parseSealed(line) === null ? sealedText(Buffer.from(line), 'comment', keys) : line,
    });
  }
  return { mac: mac.text(), sealed };
}

function setClear(scalar: Parameters<typeof setLeaf>[0], leaf: Leaf, name: string): void {
  const plain = scalar.type === 'PLAIN' || scalar.type === undefined;
  if (leaf.type === 'str' && plain) setLeaf(scalar, leaf, name);
}

/** SHA-512 over the values in the order of the document, without anything between them. */
function macOver(onlyEncrypted: boolean): { add(bytes: Buffer, encrypted: boolean): void; text(): string } {
  // SOPS starts this kind of MAC with a digest of its own name, so that it is never equal to the other kind.
  const parts: Buffer[] = onlyEncrypted ? [sha256(Buffer.from('sops'))] : [];
  return {
    add(bytes, encrypted) {
      if (encrypted || !onlyEncrypted) parts.push(bytes);
    },
    text: () => sha512(Buffer.concat(parts)).toString('hex').toUpperCase(),
  };
}
