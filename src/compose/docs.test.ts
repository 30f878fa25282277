import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { RESERVED_SEGMENTS, SCHEMES } from './config.ts';
import { parseConfig } from './load/load.ts';
import { stores } from './open-store.ts';
import { jsonSchema } from './schema/schema.ts';

const read = (name: string) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');
const manual = read('configuration.md');

interface Schema {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
}

/** Every key that the schema has a fixed name for, at whatever depth. */
function keysOf(schema: Schema): (readonly [string, Schema])[] {
  const own = Object.entries(schema.properties ?? {});
  const below = [...own.map(([, inner]) => inner), schema.items, schema.additionalProperties];
  return [...own, ...below.flatMap((inner) => (typeof inner === 'object' ? keysOf(inner) : []))];
}

test('the shipped JSON Schema is the one that the program checks with', () => {
  assert.deepEqual(
    JSON.parse(read('countersign.schema.json')),
    JSON.parse(JSON.stringify(jsonSchema())),
    'write it anew: node src/compose/schema/write-json-schema.ts',
  );
});

test('every key says in the schema what it means', () => {
  const silent = keysOf(jsonSchema() as Schema).filter(([, schema]) => !schema.description);
  assert.deepEqual(
    silent.map(([key]) => key),
    [],
  );
});

test('the manual has a row for every key of the schema, and for no other', () => {
  const rows = new Set([...manual.matchAll(/^\| `([A-Za-z]+)` +\|/gm)].map(([, key]) => key));
  const keys = new Set(keysOf(jsonSchema() as Schema).map(([key]) => key));
  assert.deepEqual([...rows].sort(), [...keys].sort());
});

test('the manual names every scheme, store, reserved name and variable', () => {
  const variables = [...readFileSync(new URL('env.ts', import.meta.url), 'utf8').matchAll(/read\('([A-Z_]+)'\)/g)];
  assert.ok(variables.length >= 12);
  const words = [...SCHEMES, ...RESERVED_SEGMENTS, ...variables.map(([, name]) => name ?? '')];
  assert.deepEqual(
    words.filter((word) => !manual.includes(`\`${word}\``) && !manual.includes(word)),
    [],
  );
  for (const store of Object.keys(stores)) assert.ok(manual.includes(`\`${store}:`), store);
});

test('the example of the manual is a good configuration', () => {
  const [, example = ''] = /```yaml\n([^]*?)```/.exec(manual) ?? [];
  assert.deepEqual(parseConfig(example, { file: null, env: {} }).warnings, []);
});
