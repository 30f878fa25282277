import {
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  Pair,
  parseAllDocuments,
  Scalar,
  type Document,
  type Node,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import { SecretsError } from '../secrets-error.ts';

export type Form = 'yaml' | 'json';

const bytesMax = 1024 * 1024;
const depthMax = 64;
const usualIndent = 4;

/** Throws what is wrong and where, never what stands there. */
export function parseDocuments(text: string, form: Form): Document[] {
  if (Buffer.byteLength(text) > bytesMax)
    throw new SecretsError('bundle_invalid', `is larger than ${bytesMax} bytes, which no bundle needs to be`);
  if (form === 'json') refuseUnlessJson(text);
  const parsed = parseAllDocuments(text, { intAsBigInt: true, customTags: ['binary'], prettyErrors: true });
  const documents: Document[] = Array.isArray(parsed) ? [...parsed] : [];
  for (const document of documents) {
    const [fault] = document.errors;
    if (fault) {
      const line = fault.linePos?.[0].line;
      throw new SecretsError('bundle_invalid', `is not valid YAML${line ? ` (line ${line})` : ''}: ${fault.code}`);
    }
    if (document.contents !== null && !isMap(document.contents) && !isEmptyScalar(document.contents))
      throw new SecretsError('bundle_invalid', 'must have names and values at the top, not a list or a single value');
  }
  return documents;
}

function isEmptyScalar(node: Node): boolean {
  return isScalar(node) && node.value === null;
}

function refuseUnlessJson(text: string): void {
  try {
    JSON.parse(text);
  } catch {
    throw new SecretsError('bundle_invalid', 'is not valid JSON');
  }
}

/** Where something stands. `keys`: the map keys above it, to which it is bound; `place` has the positions in lists as well. */
export interface Position {
  readonly keys: readonly string[];
  readonly place: readonly string[];
}

export interface Visitor {
  /** A list, before its items are visited. */
  list?(list: YAMLSeq, keys: readonly string[]): void;
  leaf?(scalar: Scalar, position: Position): void;
  /** One line of a comment without its `#`; returns what shall stand there. `inner` are the keys of a map that begins here. */
  comment?(line: string, keys: readonly string[], inner: readonly string[] | null): string;
}

const top: Position = { keys: [], place: [] };

/** Every value in the order of the document, and every line of comment. */
export function visit(document: Document, visitor: Visitor): void {
  comments(document, top.keys, null, visitor);
  if (document.contents !== null) visitNode(document.contents, top, top, visitor);
}

/** `holder` is the map or list that the node stands in: what is said beside a value belongs there. */
function visitNode(node: Node, position: Position, holder: Position, visitor: Visitor): void {
  if (position.place.length > depthMax) throw new SecretsError('bundle_invalid', `is nested deeper than ${depthMax}`);
  if (isAlias(node) || ('anchor' in node && node.anchor))
    throw new SecretsError('bundle_invalid', `${nameOf(position)}: anchors and aliases cannot be used in a SOPS file`);
  if (isScalar(node)) {
    comments(node, holder.keys, null, visitor);
    return visitor.leaf?.(node, position);
  }
  comments(node, position.keys, null, visitor);
  if (isMap(node)) for (const pair of node.items) visitPair(pair, position, visitor);
  else if (isSeq(node)) {
    visitor.list?.(node, position.keys);
    for (const [index, item] of node.items.entries()) {
      const within = { keys: position.keys, place: [...position.place, String(index)] };
      // What is not visited is under no MAC: the items of !!pairs and !!omap are no nodes.
      if (!isNode(item))
        throw new SecretsError('bundle_invalid', `${nameOf(within)} is in a list of a kind that SOPS does not keep`);
      visitNode(item, within, position, visitor);
    }
  }
}

function visitPair(pair: Pair<unknown, unknown>, position: Position, visitor: Visitor): void {
  const key = keyText(pair, position);
  const within = { keys: [...position.keys, key], place: [...position.place, key] };
  if (isScalar(pair.key)) comments(pair.key, position.keys, within.keys, visitor);
  const value = pair.value as Node | null;
  if (value) visitNode(value, within, position, visitor);
}

export function keyText(pair: Pair<unknown, unknown>, position: Position = top): string {
  const { key } = pair;
  if (!isScalar(key) || key.anchor)
    throw new SecretsError('bundle_invalid', `${nameOf(position) || 'the top'}: only plain names can be keys`);
  return typeof key.value === 'string' ? key.value : (key.source ?? String(key.value));
}

export function nameOf({ place }: Position): string {
  return place.join('/');
}

interface Commented {
  commentBefore?: string | null;
  comment?: string | null;
}

function comments(node: Commented, keys: readonly string[], inner: readonly string[] | null, visitor: Visitor): void {
  const { comment } = visitor;
  if (!comment) return;
  const mapped = (text: string): string =>
    text
      .split('\n')
      .map((line) => (line === '' ? line : comment.call(visitor, line, keys, inner)))
      .join('\n');
  if (node.commentBefore) node.commentBefore = mapped(node.commentBefore);
  if (node.comment) node.comment = mapped(node.comment);
}

/** The map at the top; made where the document is empty. */
export function topMap(document: Document): YAMLMap {
  if (!isMap(document.contents)) document.contents = document.createNode({}) as unknown as typeof document.contents;
  return document.contents as unknown as YAMLMap;
}

/** Sets or adds, always with nodes: what is printed and visited later is nodes. */
export function setPair(map: YAMLMap, key: string, node: Node): void {
  const known = map.items.find((pair) => keyText(pair) === key);
  if (known) known.value = node;
  else map.items.push(new Pair<unknown, unknown>(new Scalar(key), node));
}

/** What one edit should not change: the width of the indent that the file has. By line: a comment may be as long as the file. */
export function indentOf(text: string): number {
  let opened = false;
  for (const line of text.split('\n')) {
    const width = line.length - line.trimStart().length;
    if (width === line.length || line[width] === '#') continue;
    if (opened && width > 0) return width <= 8 && line.startsWith(' '.repeat(width)) ? width : usualIndent;
    opened = /^[^\s#-].*:[ \t]*(?:#.*)?$/.test(line);
  }
  return usualIndent;
}

export function printDocuments(documents: readonly Document[], form: Form, indent: number): string {
  const [first] = documents;
  if (form === 'json') return `${jsonText(first?.contents ?? null, 1)}\n`;
  return documents
    .map((document, index) => {
      const text = document.toString({ lineWidth: 0, indent, minContentWidth: 0 });
      return index === 0 || text.startsWith('---') ? text : `---\n${text}`;
    })
    .join('');
}

/** Numbers as they were written: JSON's may be larger or finer than ours. */
function jsonText(node: unknown, depth: number): string {
  const inner = '\t'.repeat(depth);
  const block = (open: string, lines: readonly string[], close: string): string =>
    lines.length === 0 ? open + close : `${open}\n${inner}${lines.join(`,\n${inner}`)}\n${inner.slice(1)}${close}`;
  if (isMap(node)) {
    const lines = node.items.map((pair) => `${JSON.stringify(keyText(pair))}: ${jsonText(pair.value, depth + 1)}`);
    return block('{', lines, '}');
  }
  if (isSeq(node))
    return block(
      '[',
      node.items.map((item) => jsonText(item, depth + 1)),
      ']',
    );
  if (!isScalar(node)) return 'null';
  const { value, source } = node;
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number') return source ?? String(value);
  return value instanceof Uint8Array ? JSON.stringify(Buffer.from(value).toString('base64')) : JSON.stringify(value);
}
