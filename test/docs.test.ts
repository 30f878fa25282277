/** What documents say is true of the sources; their programs compile as they stand. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..');

const entrances = {
  countersign: 'index.ts',
  'countersign/node': 'adapters/node/index.ts',
  'countersign/client': 'client/index.ts',
};

/** Importing the sources that its imports stand for, found from `folder`, which holds src. */
function fromSources(program: string, folder: string): string {
  return Object.entries(entrances).reduce(
    (text, [name, file]) => text.replaceAll(`'${name}'`, `'${folder}/src/${file}'`),
    program,
  );
}

test('every program in docs/adapters.md compiles, and the test among them passes', { timeout: 120_000 }, (t) => {
  const text = readFileSync(join(root, 'docs/adapters.md'), 'utf8');
  const programs = [...text.matchAll(/```ts\n([\s\S]*?)```/g)].map((match) => match[1] as string);
  const [tested, ...more] = programs.filter((program) => program.includes("'node:test'"));
  assert.ok(tested !== undefined && more.length === 0);
  const folder = mkdtempSync(join(root, 'node_modules/.docs-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const [index, program] of programs.entries())
    writeFileSync(join(folder, `program-${index}.ts`), fromSources(program, '../..'));
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ extends: '../../tsconfig.json', compilerOptions: { noUnusedLocals: false }, include: ['*.ts'] }),
  );
  const compiled = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', folder, '--checkers', '1'], {
    encoding: 'utf8',
  });
  assert.equal(compiled.status, 0, compiled.stdout);

  // Not as a file of that folder: below node_modules no types are taken away.
  const run = ['--input-type=module-typescript', '--eval', fromSources(tested, '.')];
  const env = { ...process.env, NODE_TEST_CONTEXT: undefined };
  const ran = spawnSync(process.execPath, run, { cwd: root, env, encoding: 'utf8' });
  assert.match(ran.stdout, /^. pass 1$/m, ran.stdout + ran.stderr);
  assert.equal(ran.status, 0, ran.stdout);
});

test('every type of audit event is told of in docs/audit.md', () => {
  const sources = globSync('src/**/*.ts', { cwd: root }).filter(
    (path) => !/\.(test|contract|fixtures)\.ts$/.test(path),
  );
  const text = sources.map((path) => readFileSync(join(root, path), 'utf8')).join('\n');
  const found = [...text.matchAll(/(?:\btype: |Act\()'([a-z]+(?:\.[a-z_]+)+)'/g)].map(([, type = '']) => type);
  const types = [...new Set(found)];
  assert.ok(types.length > 20, `found only ${types.join()}`);
  const told = readFileSync(join(root, 'docs/audit.md'), 'utf8');
  const isTold = (type: string) => told.includes(`\`${type}\``) || told.includes(`\`${type.split('.')[0]}.*\``);
  assert.deepEqual(
    types.filter((type) => !isTold(type)),
    [],
  );
});

test('every table and every key of Redis is told of in docs/stores.md', () => {
  const told = readFileSync(join(root, 'docs/stores.md'), 'utf8');
  const tables = readFileSync(join(root, 'src/stores/migrations.ts'), 'utf8').matchAll(/CREATE TABLE (\w+_\w+)/g);
  const sources = globSync('src/stores/redis/*.ts', { cwd: root }).filter((path) => !path.endsWith('.test.ts'));
  const text = sources.map((path) => readFileSync(join(root, path), 'utf8')).join('\n');
  const names = [...tables, ...text.matchAll(/(countersign:[a-z]+(?:-[a-z]+)*)/g)].map(([, name = '']) => name);
  assert.ok(names.length > 30, `found only ${names.join()}`);
  assert.deepEqual(
    [...new Set(names)].filter((name) => !told.includes(`\`${name}`)),
    [],
  );
});

/** What it links to within the repository, as it writes it. */
function linksOf(document: string): string[] {
  const text = readFileSync(join(root, document), 'utf8');
  return [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)].map(([, link = '']) => link);
}

const documents = globSync('**/*.md', { cwd: root, exclude: ['**/node_modules'] });

test('every document that a document links to is there', () => {
  assert.ok(documents.length > 40, `found only ${documents.join()}`);
  const missing = documents.flatMap((document) =>
    linksOf(document)
      .filter((link) => !existsSync(join(root, document, '..', link)))
      .map((link) => `${document}: ${link}`),
  );
  assert.deepEqual(missing, []);
});

test('what a document of the package links to is in the package', () => {
  const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { files: string[] };
  const isPacked = (path: string) =>
    files.some((file) => path === file || path.startsWith(`${file}/`)) && !path.endsWith('.test.ts');
  const packed = documents.filter(isPacked);
  assert.ok(packed.length > 30, `found only ${packed.join()}`);
  const missing = packed.flatMap((document) =>
    linksOf(document)
      .filter((link) => !isPacked(join(document, '..', link).replace(/\/$/, '')))
      .map((link) => `${document}: ${link}`),
  );
  assert.deepEqual(missing, []);
});

test('the examples import what the package exports, and are made to by the line of their page', () => {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { exports: object };
  const page = readFileSync(join(root, 'examples/README.md'), 'utf8');
  const [, from = '', to = ''] = /sed -i -E "s#([^#]+)#([^#]+)#"/.exec(page) ?? [];
  assert.notEqual(from, '');
  const imports = globSync('examples/*/*.ts', { cwd: root, exclude: ['**/*.test.ts'] })
    .flatMap((file) => readFileSync(join(root, file), 'utf8').split('\n'))
    .filter((line) => line.includes("'../../"));
  assert.ok(imports.length > 5);
  for (const line of imports) {
    const name = /'countersign(\/[a-z]+)'/.exec(line.replace(new RegExp(from), to.replaceAll('\\', '$')))?.[1];
    assert.ok(name !== undefined && `.${name}` in exports, line);
  }
});
