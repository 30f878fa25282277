import { z } from 'zod';
import { valueAt, type Path, type SourceDocument } from './document.ts';
import { nearest } from '../../core/text/nearest.ts';
import { oneOf, shown, type Fault } from '../faults.ts';
import { configSchema } from './schema.ts';

type Issue = z.core.$ZodIssue;

/** What the schema finds wrong, in our words: what is written, and what to write instead. */
export function schemaFaults(source: SourceDocument, schema: z.ZodType = configSchema): Fault[] {
  // Our hints are set where the schema is; everything else comes back as '' and is worded here.
  const parsed = schema.safeParse(source.value, { error: () => '' });
  return parsed.success ? [] : parsed.error.issues.flatMap((issue) => faultsOf(issue, source, schema));
}

function faultsOf(issue: Issue, source: SourceDocument, schema: z.ZodType): Fault[] {
  const path = issue.path.filter((step) => typeof step !== 'symbol');
  const value = valueAt(source.value, path);
  const key = path.length === 0 ? 'the file' : labelOf(path);
  const said = mayBeSecret(path) ? kindOf(value) : shown(value);
  const notValid =
    typeof path.at(-1) === 'number'
      ? `${said} is not valid in ${labelOf(path.slice(0, -1))}`
      : `${said} is not a valid ${key}`;
  const wrong = (message: string, hint: string) => [source.fault(path, 'value', message, issue.message || hint)];
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((name) => unknownKey(name, path, source, schema));
    case 'invalid_key':
      return [source.fault(path, 'key', `${shown(path.at(-1))} is not a valid name`, issue.issues[0]?.message ?? '')];
    case 'invalid_value':
      return wrong(value === null ? `${key} has no value` : notValid, allowedHint(String(value), issue.values));
    case 'invalid_type':
      if (value === undefined) return [missingKey(path, issue, source)];
      return wrong(
        value === null ? `${key} has no value` : `${key} must be ${wanted(issue.expected)}, not ${said}`,
        typeHint(issue.expected, value, mayBeSecret(path)),
      );
    case 'too_small':
      if (issue.origin === 'array') return wrong(`${key} is an empty list`, 'list at least one, or leave the key out');
      return wrong(
        issue.origin === 'string' ? `${key} is empty` : `${said} is too small for ${key}`,
        `write ${issue.minimum} or more`,
      );
    case 'too_big':
      return wrong(
        `${said} is too large for ${key}`,
        `write at most ${issue.maximum}${issue.origin === 'string' ? ' characters' : ''}`,
      );
    default:
      if (value === undefined) return [missingKey(path, issue, source)];
      return wrong(value === null ? `${key} has no value` : notValid, '');
  }
}

/** Where a secret is pointed to, or an address may hold a password: whoever errs writes the secret itself, and messages stand in logs. */
const pointsToSecret = new Set<string | number>([
  'upstreamKey',
  'secrets',
  'env',
  'keys',
  'deliver',
  'clientSecretFile',
]);

function mayBeSecret(path: Path): boolean {
  return path.some((step, index) => pointsToSecret.has(step) && !(index === 1 && path[0] === 'services'));
}

function kindOf(value: unknown): string {
  if (value === null || typeof value === 'object') return shown(value);
  return typeof value === 'string' ? 'a text' : `a ${typeof value}`;
}

function unknownKey(name: string, path: Path, source: SourceDocument, schema: z.ZodType): Fault {
  const known = keysAt(path, schema);
  const meant = nearest(name, known);
  const elsewhere = meant === null && schema === configSchema ? placeOf(name) : null;
  const hint =
    meant !== null
      ? `did you mean "${meant}"?`
      : elsewhere !== null
        ? `"${name}" belongs ${elsewhere}`
        : `known here: ${known.join(', ')}`;
  const where = path.length === 0 ? '' : ` in ${labelOf(path)}`;
  return source.fault([...path, name], 'key', `unknown key ${shown(name)}${where}`, hint);
}

function missingKey(path: Path, issue: Issue, source: SourceDocument): Fault {
  const above = path.slice(0, -1);
  const where = above.length === 0 ? '' : ` in ${labelOf(above)}`;
  const hint = issue.message || `add "${path.at(-1)}:"`;
  return source.fault(above, 'key', `"${path.at(-1)}" is missing${where}`, hint);
}

function allowedHint(value: string, allowed: readonly unknown[]): string {
  const words = allowed.map(String);
  const meant = nearest(value, words);
  const all = `write ${oneOf(words)}`;
  return meant === null || words.length === 1 ? all : `did you mean "${meant}"? ${all}`;
}

function wanted(expected: string): string {
  const names: Readonly<Record<string, string>> = {
    string: 'a text',
    array: 'a list',
    object: 'a map',
    record: 'a map',
    boolean: 'true or false',
    number: 'a number',
    int: 'a whole number',
  };
  return names[expected] ?? expected;
}

function typeHint(expected: string, value: unknown, isSecret: boolean): string {
  if (expected === 'object' || expected === 'record') return 'write "key: value" lines below it, indented';
  if (value === null) return 'write a value, or leave the key out';
  const scalar = typeof value !== 'object' && !isSecret;
  if (expected === 'string' && scalar) return `put it in quotes: "${String(value).slice(0, 40)}"`;
  if (expected === 'string' && typeof value !== 'object') return 'put it in quotes';
  if (expected === 'array')
    return scalar ? `write a list: [${String(value).slice(0, 40)}]` : 'write a list: each entry begins with "- "';
  if (expected === 'boolean') return 'write true or false, without quotes';
  return `write ${wanted(expected)}`;
}

/** 'the route', 'service "embeddings"' or the key itself: how a person would name the place. */
function labelOf(path: Path): string {
  const last = path.at(-1);
  if (path.length === 2 && path[0] === 'services') return `service "${last}"`;
  if (typeof last === 'number') return `entry ${last + 1} of ${path.at(-2) ?? 'the list'}`;
  return `"${last}"`;
}

/** The keys that the schema knows at a place; empty where it holds no map with fixed keys. */
function keysAt(path: Path, top: z.ZodType): string[] {
  let schema: unknown = top;
  for (const step of path) schema = inner(schema, step);
  const plain = unwrap(schema);
  return plain instanceof z.ZodObject ? Object.keys(plain.shape) : [];
}

function inner(schema: unknown, step: string | number): unknown {
  const plain = unwrap(schema);
  if (plain instanceof z.ZodObject) return plain.shape[step];
  if (plain instanceof z.ZodArray) return plain.element;
  return plain instanceof z.ZodRecord ? plain.valueType : undefined;
}

function unwrap(schema: unknown): unknown {
  return schema instanceof z.ZodOptional ? unwrap(schema.unwrap()) : schema;
}

/** Where a key would have been right, for the usual slip of indentation. */
function placeOf(name: string): string | null {
  const places: readonly (readonly [Path, string])[] = [
    [[], 'at the top of the file'],
    [['services', 'any'], 'below a service'],
    [['services', 'any', 'routes', 0], 'below a route'],
  ];
  return places.find(([path]) => keysAt(path, configSchema).includes(name))?.[1] ?? null;
}
