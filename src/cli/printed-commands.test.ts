/** A command that is printed acts, when it is copied, on the stack that it was printed about. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { cliHere } from '../../test/fixtures/cli-here.ts';
import { namingConfig } from './printed-commands.ts';

function stackFolder(t: TestContext, name: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-printed-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(
    join(folder, name),
    'store: sqlite:state.db\nmode: enforce\nservices: { web: { upstream: http://127.0.0.1:8081 } }\n',
    { mode: 0o600 },
  );
  return folder;
}

test('each command names the configuration behind its own words, and nothing else is changed', () => {
  const named = (text: string): string => namingConfig(text, 'my prod.yaml');
  assert.equal(
    named('See: countersign keys list. Or `countersign ramp rollback all`; countersign keys create a --to b'),
    "See: countersign keys list --config 'my prod.yaml'. Or `countersign ramp rollback --config 'my prod.yaml' all`; countersign keys create --config 'my prod.yaml' a --to b",
  );
  assert.equal(
    named('countersign secrets run --env x -- make'),
    "countersign secrets run --config 'my prod.yaml' --env x -- make",
  );
  for (const text of [
    'countersign',
    'use `countersign keys`',
    'countersign 0.1.0, stack "x"',
    'countersign keys listed',
  ])
    assert.equal(named(text), text);
});

test('what a command says to run next names the configuration that it was given, on its results and beside them', async (t) => {
  const folder = stackFolder(t, 'prod.yaml');
  const config = join(folder, 'prod.yaml');
  const ran = (...args: string[]) => cliHere([...args, '--config', config], { cwd: folder });
  assert.match((await ran('status')).stdout, /countersign keys create --config \S*prod\.yaml SERVICE/);
  await ran('keys', 'create', 'web');
  assert.match((await ran('keys', 'list', 'nobody')).stderr, /countersign keys create --config \S*prod\.yaml nobody/);
  assert.match((await ran('keys', 'revoke', 'abc')).stderr, /countersign keys list --config \S*prod\.yaml`/);
  assert.match(
    (await ran('mode', 'set', 'enforce')).stderr,
    /countersign mode set --config \S*prod\.yaml report --all/,
  );
});

test('where the configuration is the usual one, or the environment names it, commands are as short as before', async (t) => {
  const folder = stackFolder(t, 'countersign.yaml');
  const { stderr } = await cliHere(['keys', 'list'], { cwd: folder });
  assert.match(stderr, /countersign keys create SERVICE$/m);
  const env = { COUNTERSIGN_CONFIG: join(folder, 'countersign.yaml') };
  assert.match((await cliHere(['keys', 'list'], { cwd: tmpdir(), env })).stderr, /countersign keys create SERVICE$/m);
});

test('a line that doctor says to write into a file is the one that goes there', async (t) => {
  const folder = stackFolder(t, 'prod.yaml');
  const compose = `services:\n  db:\n    image: postgres\n    environment:\n      POSTGRES_PASSWORD: changeme # for countersign serve\n`;
  writeFileSync(join(folder, 'docker-compose.yml'), compose, { mode: 0o600 });
  const { stdout } = await cliHere(['doctor', '--config', join(folder, 'prod.yaml')], { cwd: folder });
  assert.match(stdout, /run +countersign secrets set --config \S+ postgres_password/);
  assert.match(stdout, /^ {4}\| +POSTGRES_PASSWORD: .* # for countersign serve$/m);
});

test('it is named so that it is the same from every folder: what doctor says of another is typed in that one', async (t) => {
  const folder = stackFolder(t, 'prod.yaml');
  const { stderr } = await cliHere(['keys', 'list', '--config', 'prod.yaml'], { cwd: folder });
  assert.ok(stderr.includes(`countersign keys create --config ${join(folder, 'prod.yaml')} SERVICE`), stderr);
});

test('what is not talk stays as it is: a secret, a diff, a file', async (t) => {
  const folder = stackFolder(t, 'prod.yaml');
  const { stdout } = await cliHere(['init', '--dry-run', '--force', '--config', 'prod.yaml', '--output', 'json'], {
    cwd: folder,
  });
  assert.equal(JSON.parse(stdout).written[0], join(folder, 'prod.yaml'));
});
