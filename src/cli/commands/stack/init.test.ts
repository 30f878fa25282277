import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { cliHere } from '../../../../test/fixtures/cli-here.ts';

test('init writes no configuration that validate would refuse for its file of MCP servers', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-init-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const init = (servers: object) => {
    writeFileSync(join(folder, 'mcp.json'), JSON.stringify({ mcpServers: servers }), { mode: 0o600 });
    return cliHere(['init', '--mcp-config', join(folder, 'mcp.json')], { cwd: folder });
  };
  const spaced = await init({ 'Browser Service': { command: 'cat' } });
  assert.equal(spaced.code, 1);
  assert.match(spaced.stderr, /mcp\.json: "Browser Service" is not a valid name — a name has letters/);
  const strange = await init({ browser: { command: 'cat', enviroment: {} } });
  assert.match(strange.stderr, /mcp\.json: unknown key "enviroment"/);
  assert.ok(!existsSync(join(folder, 'countersign.yaml')));
  assert.equal((await init({ browser: { command: 'cat' } })).code, 0);
  assert.equal((await cliHere(['validate'], { cwd: folder })).code, 0);
});

test('init says where callers reach each server: with the path of its url, and no query, which may hold a key', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-init-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const servers = {
    web: { url: 'https://127.0.0.1:9/api/mcp?key=s3cret' },
    slash: { url: 'http://127.0.0.1:9/mcp/' },
    bare: { httpUrl: 'http://127.0.0.1:9' },
    files: { command: 'cat' },
    off: { command: 'cat', disabled: true },
  };
  writeFileSync(join(folder, 'mcp.json'), JSON.stringify({ mcpServers: servers }), { mode: 0o600 });
  const { stderr } = await cliHere(['init', '--mcp-config', join(folder, 'mcp.json')], { cwd: folder });
  assert.deepEqual(stderr.match(/http:\/\/127\.0\.0\.1:8700\/(?!SERVICE).*$/gm), [
    'http://127.0.0.1:8700/web/api/mcp',
    'http://127.0.0.1:8700/slash/mcp/',
    'http://127.0.0.1:8700/bare/',
    'http://127.0.0.1:8700/files/',
  ]);
  assert.doesNotMatch(stderr, /s3cret/);
});

test('a repository that is made after init has nothing of the state either', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-init-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const { stdout } = await cliHere(['init', '--admin-token', '--output', 'json'], { cwd: folder });
  assert.ok((JSON.parse(stdout) as { written: string[] }).written.includes(join(folder, '.countersign/.gitignore')));
  const git = (...args: string[]) => execFileSync('git', args, { cwd: folder, encoding: 'utf8' });
  git('init', '--quiet');
  assert.equal(git('status', '--porcelain', '--untracked-files=all'), '?? countersign.yaml\n');
  assert.deepEqual((await cliHere(['init'], { cwd: folder })).code, 1);
});

test('a folder that cannot be written to is told in plain words, and nothing is left half done', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-init-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'file'), '');
  const { code, stderr } = await cliHere(['init', '--config', 'file/countersign.yaml'], { cwd: folder });
  assert.equal(code, 1);
  assert.equal(
    stderr,
    `countersign: ${join(folder, 'file/.countersign')}: a part of it is no folder (ENOTDIR: not a directory)\n  Is the path right?\n`,
  );
});
