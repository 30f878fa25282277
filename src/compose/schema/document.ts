import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseAllDocuments, visit } from 'yaml';
import type { Document, Node, Pair, YAMLMap, YAMLParseError } from 'yaml';
import type { Fault } from '../faults.ts';

export type Path = readonly (string | number)[];

/** A YAML file as plain values, with the place of each. */
export interface SourceDocument {
  readonly value: unknown;
  /** Syntax faults; where there are any, `value` is not to be used. */
  readonly faults: readonly Fault[];
  /** The fault's place is the value at the path, or its key, or the nearest thing above that exists. */
  fault(path: Path, at: 'key' | 'value', message: string, hint: string): Fault;
}

export const fileBytesMax = 1_048_576;
const syntaxFaultsMax = 10;

/**
 * YAML 1.2, one document, and only what a configuration needs: aliases, anchors, tags and duplicate keys are refused, since
 * each lets a file mean something else than what a reader sees.
 */
export function sourceDocument(text: string): SourceDocument {
  const lines = new LineCounter();
  if (Buffer.byteLength(text) > fileBytesMax)
    return broken(0, 0, 'the file is larger than 1 MiB', 'a configuration is a few kilobytes; is this the right file?');
  let documents: Document[];
  try {
    // Duplicate keys are looked for below: the library compares every pair of keys, which takes minutes for a large file.
    const parsed = parseAllDocuments(yamlText(text), {
      lineCounter: lines,
      version: '1.2',
      schema: 'core',
      uniqueKeys: false,
      stringKeys: true,
      prettyErrors: false,
      logLevel: 'silent',
    });
    // The library answers an empty text with an array that carries more than documents.
    documents = [...(parsed as Iterable<Document>)];
  } catch {
    return tooDeep();
  }
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return { source: 'file', line: Math.max(line, 1), column: Math.max(col, 1) } as const;
  };
  const [document, second] = documents;
  if (!document)
    return broken(
      1,
      1,
      'the file is empty',
      'write at least a service: services: { NAME: { upstream: http://127.0.0.1:8081 } }',
    );
  // The parser reports running out of stack as a fault of the text.
  if (document.errors.some((error) => /stack/i.test(error.message))) return tooDeep();
  // One slip often makes a line of faults: the first few say it.
  const faults: Fault[] = document.errors.slice(0, syntaxFaultsMax).map((error) => ({
    ...place(error.pos[0]),
    message: `not valid YAML: ${lowerFirst(error.message)}`,
    hint: syntaxHint(error),
  }));
  if (second)
    faults.push({
      ...place(second.range?.[0] ?? 0),
      message: 'the file holds more than one YAML document',
      hint: 'leave out the "---" lines; one file is one configuration',
    });
  let value: unknown = null;
  try {
    if (faults.length === 0) faults.push(...refusals(document, text, place));
    if (faults.length === 0) value = document.toJS({ maxAliasCount: 0 });
  } catch {
    return tooDeep();
  }
  return {
    value,
    faults,
    fault: (path, at, message, hint) => ({ ...place(offsetOf(document, path, at)), message, hint }),
  };
}

/** `store: memory:` is how the store is called everywhere, and would be a map in YAML. The length stays, and so do places. */
function yamlText(text: string): string {
  return text.replace(/^(store:[ \t]+)memory:(?=[ \t]*(?:[ \t]#.*)?\r?$)/m, '$1memory ');
}

function tooDeep(): SourceDocument {
  return broken(
    1,
    1,
    'the file cannot be read as YAML',
    'it is nested too deeply; a configuration has about six levels',
  );
}

function broken(line: number, column: number, message: string, hint: string): SourceDocument {
  const fault: Fault = { source: 'file', line, column, message, hint };
  return { value: null, faults: [fault], fault: () => fault };
}

type Place = (offset: number) => Pick<Fault, 'source' | 'line' | 'column'>;

/** What YAML allows and a configuration does not. */
function refusals(document: Document, text: string, place: Place): Fault[] {
  const faults: Fault[] = [];
  const refuse = (node: Node, message: string, hint: string) =>
    void faults.push({ ...place(propertiesStart(text, node.range?.[0] ?? 0)), message, hint });
  if (document.directives?.yaml.explicit && document.directives.yaml.version !== '1.2')
    faults.push({
      ...place(0),
      message: 'the file asks for another version of YAML',
      hint: 'leave out the %YAML line: YAML 1.2 is read',
    });
  visit(document, {
    Node(_key, node) {
      if (isAlias(node)) refuse(node, 'aliases (*name) are not read', 'write the value out');
      else if (node.anchor !== undefined) refuse(node, 'anchors (&name) are not read', 'leave the anchor out');
      if (node.tag !== undefined && !isAlias(node))
        refuse(node, `the tag ${node.tag} is not read`, 'write a plain value; quotes make a string');
      if (isMap(node))
        faults.push(
          ...keyFaults(
            node.items.map((pair) => pair.key),
            place,
          ),
        );
    },
  });
  return faults;
}

/** A node's place is behind its tag and anchor; the eye looks for those. */
function propertiesStart(text: string, offset: number): number {
  const before = text.slice(Math.max(0, offset - 200), offset);
  const properties = /(?<=^|[\s,[{])[!&]\S*\s+(?:[!&]\S*\s+)?$/.exec(before);
  return properties ? offset - (before.length - properties.index) : offset;
}

function keyFaults(keys: readonly unknown[], place: Place): Fault[] {
  const faults: Fault[] = [];
  const first = new Map<string, number>();
  for (const key of keys) {
    if (!isScalar(key)) continue;
    const name = String(key.value);
    const at = place(key.range?.[0] ?? 0);
    const earlier = first.get(name);
    if (earlier !== undefined)
      faults.push({
        ...at,
        message: `the key ${JSON.stringify(name)} is written twice`,
        hint: `the first one is on line ${earlier}; keep one of the two`,
      });
    else first.set(name, at.line);
    if (name === '__proto__') faults.push({ ...at, message: 'the key "__proto__" is not read', hint: 'leave it out' });
  }
  return faults;
}

function offsetOf(document: Document, path: Path, at: 'key' | 'value'): number {
  let node: unknown = document.contents;
  let offset = isNode(node) ? (node.range?.[0] ?? 0) : 0;
  for (const [index, step] of path.entries()) {
    if (isSeq(node)) {
      node = typeof step === 'number' ? node.items[step] : undefined;
    } else if (isMap(node)) {
      const pair = pairOf(node, String(step));
      if (!pair) return offset;
      const key = isScalar(pair.key) ? pair.key.range?.[0] : undefined;
      if (key !== undefined) offset = key;
      if (index === path.length - 1 && at === 'key') return offset;
      node = pair.value;
    } else return offset;
    if (!isNode(node)) return offset;
    // An empty value has a place behind the colon that helps nobody: its key is shown instead.
    const empty = isScalar(node) && node.value === null && node.source === '';
    if (node.range && !empty) offset = node.range[0];
  }
  return offset;
}

const indexed = new WeakMap<YAMLMap, Map<string, Pair>>();

/** By an index: a file with thousands of wrong keys is asked for each of them. */
function pairOf(map: YAMLMap, key: string): Pair | undefined {
  let pairs = indexed.get(map);
  if (!pairs) {
    pairs = new Map(map.items.flatMap((pair) => (isScalar(pair.key) ? [[String(pair.key.value), pair]] : [])));
    indexed.set(map, pairs);
  }
  return pairs.get(key);
}

const generalHint = 'check indentation, quotes and brackets here and on the line above';

function syntaxHint({ code, message }: YAMLParseError): string {
  switch (code) {
    case 'TAB_AS_INDENT':
      return 'indent with spaces';
    case 'BLOCK_AS_IMPLICIT_KEY':
      return 'put a value that holds ": " in quotes, and check the indentation';
    case 'MULTILINE_IMPLICIT_KEY':
      return 'write a colon and a space behind the key, and check the indentation';
    case 'MISSING_CHAR':
      // The parser calls a dash or a comma that is wanting by the same code.
      return /closing|end with/i.test(message) ? 'close the quote or bracket that was opened' : generalHint;
    case 'NON_STRING_KEY':
      return 'a key must be a plain word';
    default:
      return generalHint;
  }
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/** Undefined where nothing is written. */
export function valueAt(value: unknown, path: Path): unknown {
  let at = value;
  for (const step of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, step)) return undefined;
    at = (at as Record<string | number, unknown>)[step];
  }
  return at;
}
