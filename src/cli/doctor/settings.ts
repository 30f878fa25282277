import { isMap, isPair, isScalar, isSeq, LineCounter, parseAllDocuments, type Document, type Scalar } from 'yaml';
import { isEnvFile, type StackFile } from './stack-files.ts';

/** One named value in a file of settings. */
export interface Setting {
  readonly name: string;
  readonly value: string;
  /** Names of what it stands in, outermost first: services, redis, environment. */
  readonly within: readonly string[];
  readonly line: number;
  /** Where the value stands in the text, quotes included; null where it is on several lines. */
  readonly range: readonly [number, number] | null;
}

const documentsMax = 100;

/** YAML and JSON as documents, for checks that know a format; empty for what is neither, or is broken. */
export function documentsOf({ path, text }: StackFile): readonly Document[] {
  if (text === null || !/\.(?:ya?ml|json)$/i.test(path)) return [];
  const documents = parseAllDocuments(text, { lineCounter: new LineCounter(), uniqueKeys: false, logLevel: 'silent' });
  if (!Array.isArray(documents)) return [];
  return documents.slice(0, documentsMax).filter(({ errors }) => errors.length === 0);
}

/** SOPS has encrypted what is worth it, and its MAC tells of changes. */
export function isEncrypted(document: Document): boolean {
  return document.hasIn(['sops', 'mac']);
}

/** ExternalSecret, SealedSecret and their like hold where a secret is, or the secret sealed. */
function isNoSecretItself(document: Document): boolean {
  return isEncrypted(document) || /\wSecret$/.test(String(document.get('kind')));
}

export function settingsOf(file: StackFile): Setting[] {
  const { path, text } = file;
  if (text === null) return [];
  const source: Source = { text, lineAt: lineNumbers(text), isJson: /\.json$/i.test(path) };
  if (/\.(?:ya?ml|json)$/i.test(path))
    return documentsOf(file)
      .filter((document) => !isNoSecretItself(document))
      .flatMap(({ contents }) => walk(contents, [], source));
  return lineSettings(text, isEnvFile(path));
}

interface Source {
  readonly text: string;
  readonly lineAt: (offset: number) => number;
  readonly isJson: boolean;
}

function walk(node: unknown, within: readonly string[], source: Source): Setting[] {
  const found: Setting[] = [];
  // By hand instead of by recursion: a file may be nested as deep as it likes.
  const pending: { node: unknown; within: readonly string[] }[] = [{ node, within }];
  for (let at = pending.pop(); at; at = pending.pop()) {
    const inside = at.within;
    if (isMap(at.node)) {
      found.push(...namedValue(at.node.items, inside, source));
      for (const pair of at.node.items.toReversed()) {
        if (!isPair(pair) || !isScalar(pair.key)) continue;
        const name = String(pair.key.value);
        if (isScalar(pair.value)) found.push(...setting(name, pair.value, inside, source));
        else pending.push({ node: pair.value, within: [...inside, name] });
      }
    } else if (isSeq(at.node)) {
      for (const [index, item] of at.node.items.entries()) {
        if (isScalar(item))
          found.push(...assignment(item, inside, source), ...argument(item, at.node.items[index + 1], inside, source));
        else pending.push({ node: item, within: inside });
      }
    }
  }
  return found.toSorted((a, b) => a.line - b.line);
}

function setting(name: string, scalar: Scalar, within: readonly string[], { text, lineAt, isJson }: Source): Setting[] {
  if (typeof scalar.value === 'boolean' || scalar.value === null || !scalar.range) return [];
  // A tag says where the value is to be had: `!secret db_password`, `!Ref DbPassword`.
  if (scalar.tag !== undefined && /^![^!]/.test(scalar.tag)) return [];
  // JSON writes texts in quotes, so what has none is a number: how often a word comes, or which of a vocabulary it is.
  if (isJson && typeof scalar.value === 'number') return [];
  const [start, end] = scalar.range;
  const range = text.slice(start, end).includes('\n') ? null : ([start, end] as const);
  // YAML reads 0123 and 1e5 as numbers, which are other texts than what a program is given.
  const value = typeof scalar.value === 'string' ? scalar.value : (scalar.source ?? String(scalar.value));
  return [{ name, value, within, line: lineAt(start), range }];
}

/** `- NAME=value`, as Compose takes its environment, and `--name=value` of a list of arguments. */
function assignment(item: Scalar, within: readonly string[], source: Source): Setting[] {
  const match = /^(?:--(?=[a-z]))?([A-Za-z_][\w-]*)=(.*)$/s.exec(String(item.value));
  if (!match) return [];
  return setting(match[1] ?? '', item, within, source).map((found) => ({
    ...found,
    value: match[2] ?? '',
    range: found.range && rangeBehindName(found.range, source.text),
  }));
}

/** `--requirepass`, and what stands after it in a list of arguments. */
function argument(item: Scalar, next: unknown, within: readonly string[], source: Source): Setting[] {
  const name = /^--([a-z][\w-]*)$/.exec(String(item.value))?.[1];
  return name === undefined || !isScalar(next) ? [] : setting(name, next, within, source);
}

/** Of `"NAME=value"` only the value, without the quotes. */
function rangeBehindName([start, end]: readonly [number, number], text: string): readonly [number, number] {
  const quoted = /^["']/.test(text.slice(start, end));
  return [text.indexOf('=', start) + 1, quoted ? end - 1 : end];
}

/** `{ name: NAME, value: … }`, as Kubernetes has it. */
function namedValue(
  items: readonly { key: unknown; value: unknown }[],
  within: readonly string[],
  source: Source,
): Setting[] {
  const of = (wanted: string): unknown => items.find(({ key }) => isScalar(key) && key.value === wanted)?.value;
  const [name, value] = [of('name'), of('value')];
  if (!isScalar(name) || typeof name.value !== 'string' || !isScalar(value)) return [];
  return setting(name.value, value, within, source);
}

/** `NAME=value`, `name = value` and `name value`, one a line; `[section]` stands around what follows. */
function lineSettings(text: string, isEnv: boolean): Setting[] {
  const found: Setting[] = [];
  let section: readonly string[] = [];
  let offset = 0;
  for (const [index, line] of text.split('\n').entries()) {
    const heading = isEnv ? null : /^\s*\[([^\]]+)\]\s*$/.exec(line);
    if (heading) section = [heading[1] ?? ''];
    const match = (
      isEnv
        ? /^(\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*)(.*?)\s*$/
        : /^(\s*([A-Za-z_][\w.-]*)(?:\s*[=:]\s*|\s+))(.*?)\s*$/
    ).exec(line);
    if (match) {
      const [, before = '', name = '', written = ''] = match;
      const start = offset + before.length;
      const value = /^(["'])(.*)\1/.exec(written)?.[2] ?? written.replace(/\s+#.*$/, '');
      found.push({ name, value, within: section, line: index + 1, range: [start, start + written.length] });
    }
    offset += line.length + 1;
  }
  return found;
}

/** Line numbers from 1, by offset. */
function lineNumbers(text: string): (offset: number) => number {
  const starts = [0];
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return (offset) => {
    let [low, high] = [0, starts.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return low + 1;
  };
}

/** The line on which the range stands, with the range written anew. */
export function lineWith(text: string, [start, end]: readonly [number, number], written: string): string {
  const from = text.lastIndexOf('\n', start - 1) + 1;
  const to = text.indexOf('\n', end);
  return text.slice(from, start) + written + text.slice(end, to === -1 ? text.length : to);
}
