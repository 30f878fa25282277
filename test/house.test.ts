/**
 * The house rules: who may import whom, who may touch the outside world, and how large a file may grow. A rule that is not
 * checked is a wish. The table is explained in ARCHITECTURE.md.
 */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..');

/** Room → rooms, or parts of rooms, that it may import besides itself; cli may import all. ARCHITECTURE.md has the same table. */
const mayImport: Record<string, readonly string[]> = {
  core: [],
  crypto: [],
  schemes: ['core', 'crypto'],
  policies: ['core', 'crypto'],
  stores: ['core', 'crypto'],
  client: ['core', 'crypto', 'schemes', 'keys/sources', 'keys/secret-text.ts'],
  keys: ['core', 'crypto', 'schemes'],
  rollout: ['core', 'crypto'],
  audit: ['core', 'crypto'],
  secrets: ['core', 'crypto', 'keys/sources', 'keys/targets'],
  backup: ['core', 'crypto', 'secrets'],
  operators: ['core', 'crypto', 'policies'],
  compose: ['core', 'crypto', 'schemes', 'policies', 'stores', 'keys', 'rollout', 'audit'],
  adapters: ['core', 'compose'],
  authority: [
    'core',
    'crypto',
    'keys',
    'schemes',
    'policies',
    'rollout',
    'audit',
    'operators',
    'compose',
    'adapters/node',
  ],
  certificates: ['core', 'crypto', 'keys/targets'],
  stdio: ['core'],
  gateway: ['core', 'adapters/node', 'compose', 'stdio'],
};

/** Rooms whose residents (sub-folders) are alternatives to one another and stay apart. */
const apart = new Set(['schemes', 'stores', 'adapters', 'policies']);

/** Where the environment and files may be read: configuration and secrets enter here and are handed on. */
const readsOutside = ['src/cli/', 'src/compose/', 'src/client/env.ts', 'src/keys/sources/', 'src/secrets/'];

/** node:fs for another purpose than reading configuration or secrets, each with its reason in ARCHITECTURE.md. */
const touchesFiles = ['src/stores/sqlite/', 'src/keys/targets/', 'src/stdio/', 'src/certificates/'];

interface Source {
  readonly path: string;
  readonly text: string;
  readonly imports: readonly string[];
}

const sources: Source[] = globSync('src/**/*.ts', { cwd: root })
  .filter((path) => !/\.(test|contract|fixtures)\.ts$/.test(path))
  .map((path) => {
    const text = readFileSync(join(root, path), 'utf8');
    const imports = [...text.matchAll(/(?:\bfrom|^import|\bimport\()\s*'([^'\n]+)'/gm)].map(
      (match) => match[1] as string,
    );
    return { path, text, imports };
  });

const roomOf = (path: string): string => path.split('/')[1] as string;
const isFrontDoor = (path: string): boolean => path === 'src/index.ts';

function resolved(source: Source, specifier: string): string {
  return relative(root, join(root, dirname(source.path), specifier));
}

function offences(check: (source: Source, specifier: string) => string | null): string[] {
  return sources.flatMap((source) => source.imports.flatMap((specifier) => check(source, specifier) ?? []));
}

test('there are sources to look at', () => {
  assert.ok(sources.length > 50, `found only ${sources.length} sources`);
  assert.ok(sources.some((source) => source.imports.length > 0));
});

test('every room imports only the rooms that the table allows', () => {
  const found = offences((source, specifier) => {
    if (!specifier.startsWith('.') || isFrontDoor(source.path)) return null;
    const from = roomOf(source.path);
    const target = resolved(source, specifier);
    if (target === 'package.json') return null;
    const to = roomOf(target);
    if (from === to || from === 'cli') return null;
    const isAllowed = mayImport[from]?.some((place) => target === `src/${place}` || target.startsWith(`src/${place}/`));
    return isAllowed ? null : `${source.path} imports ${specifier}: ${from} may not import it from ${to}`;
  });
  assert.deepEqual(found, []);
});

/** Residents that are built on another: the same engine, reached in another way. Reasons in ARCHITECTURE.md. */
const builtOn: Record<string, string> = { 'stores/supabase': 'postgres' };

test('residents of schemes, stores, adapters and policies never import a sibling', () => {
  const resident = (path: string): string | null =>
    path.split('/').length > 3 ? (path.split('/')[2] as string) : null;
  const found = offences((source, specifier) => {
    const room = roomOf(source.path);
    if (!specifier.startsWith('.') || !apart.has(room)) return null;
    const target = resolved(source, specifier);
    const own = resident(source.path);
    const other = resident(target);
    if (own === null || other === null || roomOf(target) !== room) return null;
    return own === other || builtOn[`${room}/${own}`] === other ? null : `${source.path} imports its sibling ${target}`;
  });
  assert.deepEqual(found, []);
});

test('no import goes in a circle, not even one that is loaded when it is asked for', () => {
  const importedBy = new Map(
    sources.map((source) => [
      source.path,
      source.imports.filter((specifier) => specifier.startsWith('.')).map((specifier) => resolved(source, specifier)),
    ]),
  );
  const fine = new Set<string>();
  const found: string[] = [];
  const walk = (path: string, way: readonly string[]): void => {
    if (way.includes(path)) found.push([...way.slice(way.indexOf(path)), path].join(' > '));
    else if (!fine.has(path)) {
      for (const next of importedBy.get(path) ?? []) walk(next, [...way, path]);
      fine.add(path);
    }
  };
  for (const { path } of sources) walk(path, []);
  assert.deepEqual(found, []);
});

test('only the crypto room calls node:crypto', () => {
  const found = offences((source, specifier) =>
    specifier === 'node:crypto' && roomOf(source.path) !== 'crypto' ? source.path : null,
  );
  assert.deepEqual(found, []);
});

test('only the rooms named for it read files', () => {
  const found = offences((source, specifier) => {
    if (!/^node:fs(\/promises)?$/.test(specifier)) return null;
    return [...readsOutside, ...touchesFiles].some((place) => source.path.startsWith(place)) ? null : source.path;
  });
  assert.deepEqual(found, []);
});

test('only the rooms named for it read the environment, and only the command line reads argv', () => {
  const environment = sources
    .filter(({ text }) => /\bprocess\.env\b|\bimport \{[^}]*\benv\b[^}]*\} from 'node:process'/.test(text))
    .filter(({ path }) => !readsOutside.some((place) => path.startsWith(place)))
    .map(({ path }) => path);
  assert.deepEqual(environment, []);
  const argv = sources
    .filter(({ text }) => /\bprocess\.argv\b/.test(text))
    .filter(({ path }) => roomOf(path) !== 'cli');
  assert.deepEqual(
    argv.map(({ path }) => path),
    [],
  );
});

test('what ships imports only what is shipped with it', () => {
  const { dependencies, peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
    peerDependencies: Record<string, string>;
  };
  // The demonstration drives the stack with the official MCP client and says so when it is not installed.
  const demonstration = new Set(['@modelcontextprotocol/client']);
  const found = offences((source, specifier) => {
    if (specifier.startsWith('.') || specifier.startsWith('node:')) return null;
    const name = specifier
      .split('/')
      .slice(0, specifier.startsWith('@') ? 2 : 1)
      .join('/');
    if (name in dependencies) return null;
    // An adapter runs within its framework, which its user has.
    if (roomOf(source.path) === 'adapters' && name in peerDependencies) return null;
    return source.path.startsWith('src/cli/demo') && demonstration.has(name)
      ? null
      : `${source.path} imports ${specifier}`;
  });
  assert.deepEqual(found, []);
});

test('every dependency has its reason in docs/dependencies.md', () => {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<
    string,
    Record<string, string>
  >;
  const names = [...Object.keys(manifest['dependencies'] ?? {}), ...Object.keys(manifest['devDependencies'] ?? {})];
  const reasons = readFileSync(join(root, 'docs/dependencies.md'), 'utf8');
  assert.deepEqual(
    names.filter((name) => !reasons.includes(`| \`${name}\` `)),
    [],
  );
});

test('property tests take the inputs that are the same each time', () => {
  const direct = globSync(['src/**/*.ts', 'test/**/*.ts', 'bench/**/*.ts'], { cwd: root })
    .filter((path) => path !== join('test', 'fixtures', 'properties.ts') && path !== join('test', 'house.test.ts'))
    .filter((path) => readFileSync(join(root, path), 'utf8').includes("from 'fast-check'"));
  assert.deepEqual(direct, []);
});

test('no function or value is exported that no other file names', () => {
  const files = globSync('{src,test,bench,deploy,examples}/**/*.ts', { cwd: root }).map((path) => ({
    path,
    text: readFileSync(join(root, path), 'utf8'),
  }));
  const namedIn = new Map<string, number>();
  for (const { text } of files)
    for (const word of new Set(text.match(/\w+/g))) namedIn.set(word, (namedIn.get(word) ?? 0) + 1);
  // What stands in test/types is there to compile.
  const looked = files.filter(({ path }) => !path.startsWith(join('test', 'types')));
  const alone = looked.flatMap(({ path, text }) =>
    [...text.matchAll(/^export (?:async )?(?:function\*?|const) (\w+)/gm)]
      .filter(([, name = '']) => namedIn.get(name) === 1)
      .map(([, name]) => `${path}: ${name}`),
  );
  assert.deepEqual(alone, []);
});

test('no source is longer than 300 lines', () => {
  const long = sources.filter(({ text }) => text.split('\n').length > 301).map(({ path }) => path);
  assert.deepEqual(long, []);
});

test('every room has its line in ARCHITECTURE.md, which says what it may import', () => {
  const map = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8');
  const rows = map.matchAll(/^\| `(\w+)\/` +\|[^|]*\| (.*?) +\|$/gm);
  const told = new Map([...rows].map(([, room = '', allowed = '']) => [room, allowed]));
  for (const room of new Set(sources.filter(({ path }) => !isFrontDoor(path)).map(({ path }) => roomOf(path)))) {
    const allowed = mayImport[room] ?? [];
    const whole = room === 'cli' ? 'everything; nothing imports it' : allowed.join(', ') || 'nothing of ours';
    assert.equal(told.get(room), whole, room);
  }
});

test('every place that ARCHITECTURE.md names is there', () => {
  const map = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8');
  const named = new Set([...map.matchAll(/`(\w[\w*.-]*\/[\w*./-]*|[\w-]+\.ts)`/g)].map(([, path = '']) => path));
  assert.ok(named.size > 80, `found only ${named.size} places`);
  const places = globSync(['{src,test,bench,deploy,dashboard,docs}/**'], { cwd: root, exclude: ['**/node_modules'] });
  // Ends of paths: the name of a file or folder may stand alone where its room was named before.
  const ends = new Set(places.flatMap((place) => place.split('/').map((_, at, parts) => parts.slice(at).join('/'))));
  const isThere = (path: string): boolean => {
    const pattern = new RegExp(`^${path.replace(/\/$/, '').replaceAll('.', '\\.').replaceAll('*', '[^/]*')}$`);
    return [...ends].some((end) => pattern.test(end));
  };
  assert.deepEqual(
    [...named].filter((path) => !isThere(path)),
    [],
  );
});
