/** The README's walk, with the real program, the official client and Python. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { python as python3, skipWithout } from '../../test/fixtures/programs.ts';

const here = import.meta.dirname;
const skip = skipWithout(python3);
const binary = join(here, '../../bin/countersign');
const callers = [
  ['the official client', process.execPath, join(here, 'call.ts')],
  ['Python', 'python3', join(here, 'call.py')],
] as const;

let folder: string;
let config: string;
let url: string;
let keys: Record<'writer' | 'reader' | 'idler', Created>;
let stop: () => Promise<void>;

interface Created {
  readonly id: string;
  readonly file: string;
}

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(command: string, args: readonly string[], more: Record<string, string> = {}): Promise<Ran> {
  const { PATH = '', HOME = '', NODE_COMPILE_CACHE = '' } = process.env;
  const child = spawn(command, args, {
    cwd: folder,
    env: { PATH, HOME, NODE_COMPILE_CACHE, COUNTERSIGN_CONFIG: config, ...more },
  });
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (said.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said.stderr += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...said };
}

async function created(...args: string[]): Promise<Created> {
  const { code, stdout, stderr } = await run(binary, ['keys', 'create', ...args, '--output', 'json']);
  assert.equal(code, 0, stderr);
  const { id, key } = JSON.parse(stdout) as { id: string; key: string };
  const file = join(folder, `${id}.key`);
  writeFileSync(file, `${key}\n`, { mode: 0o600 });
  return { id, file };
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-mcp-service-'));
  config = join(folder, 'countersign.yaml');
  copyFileSync(join(here, 'countersign.yaml'), config);
  const { PATH = '', HOME = '', NODE_COMPILE_CACHE = '' } = process.env;
  const child = spawn(process.execPath, [join(here, 'server.ts')], {
    cwd: folder,
    env: { PATH, HOME, NODE_COMPILE_CACHE, PORT: '0', COUNTERSIGN_CONFIG: config },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close').then(() => assert.fail('the server ended before it listened'));
  const [first] = (await Promise.race([once(child.stdout, 'data'), ended])) as [Buffer];
  ended.catch(() => undefined);
  url = first.toString().trim();
  stop = async () => {
    const gone = once(child, 'close');
    child.kill('SIGTERM');
    assert.deepEqual(await gone, [0, null]);
  };
  keys = {
    writer: await created('writer', '--scope', 'notes:read', '--scope', 'notes:write'),
    reader: await created('reader', '--scope', 'notes:read'),
    idler: await created('idler'),
  };
});
after(async () => {
  await stop();
  rmSync(folder, { recursive: true });
});

for (const [name, command, script] of callers) {
  const call = (file: string, tool: string, args = {}): Promise<Ran> =>
    run(command, [script, url, tool, JSON.stringify(args)], { KEY_FILE: file });

  test(`a key calls the tools that its scopes allow: ${name}`, { skip }, async () => {
    const added = await call(keys.writer.file, 'add_note', { text: name });
    assert.deepEqual([added.code, JSON.parse(added.stdout)], [0, { by: 'service:writer', text: name }], added.stderr);
    const read = await call(keys.reader.file, 'list_notes');
    assert.ok((JSON.parse(read.stdout) as { text: string }[]).some(({ text }) => text === name));
    const refused = await call(keys.reader.file, 'add_note', { text: 'no' });
    assert.equal(refused.code, 1);
    assert.match(refused.stdout, /Insufficient scope: the tool add_note needs the scope notes:write/);
  });

  test(`a wrong key and one without the scope are refused: ${name}`, { skip }, async () => {
    const wrong = join(folder, 'wrong.key');
    writeFileSync(wrong, 'nonsense', { mode: 0o600 });
    assert.match((await call(wrong, 'list_notes')).stderr, /401/);
    assert.match((await call(keys.idler.file, 'list_notes')).stderr, /403|InsufficientScope/);
  });
}

test('a key that the command line revokes is refused by the running server', { skip }, async () => {
  const { file, id } = keys.writer;
  const python = () => run('python3', [join(here, 'call.py'), url], { KEY_FILE: file });
  assert.equal((await python()).code, 0);
  assert.equal((await run(binary, ['keys', 'revoke', id])).code, 0);
  let last = await python();
  // It hears of the change within a moment.
  for (let tries = 0; last.code === 0 && tries < 20; tries += 1) last = await python();
  assert.match(last.stderr, /^401 /);
});

test('its health is public, and a call without a key is refused', { skip }, async () => {
  assert.equal(await (await fetch(new URL('/health', url))).text(), 'UP\n');
  const unread = await run('python3', [join(here, 'call.py'), url], { KEY_FILE: '/nowhere/agent.key' });
  assert.equal(unread.code, 1);
  assert.match(unread.stderr, /^the file that KEY_FILE names cannot be read: .*\n$/);
  const refused = await run('python3', [join(here, 'call.py'), url]);
  assert.match(refused.stderr, /^401 .*"missing_credentials"/);
});
