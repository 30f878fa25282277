/** The README's way to a guarded stack, typed as it stands. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { cleanEnvironment, startProgram, startUpstream } from './program.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const way =
  readFileSync(join(root, 'README.md'), 'utf8')
    .split(/^## /m)
    .find((part) => part.startsWith('Protect your stack')) ?? '';

function blocks(language: string): string[] {
  return [...way.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))].map(([, text = '']) => text);
}

test('its commands run as they are typed, leave no secret for git, and make an operator who may change something', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-readme-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const [export_ = '', ...rest] = blocks('sh');
  assert.equal(export_.trim(), 'export PATH=$PWD/bin:$PATH');
  const env = { ...cleanEnvironment(), PATH: `${join(root, 'bin')}${delimiter}${process.env['PATH'] ?? ''}` };
  const sh = async (line: string): Promise<string> => (await run('sh', ['-ec', line], { cwd: folder, env })).stdout;
  await sh('git init -q');
  const commands = rest.join('').split('\n');
  const typed = (start: string): string => commands.find((line) => line.includes(start)) ?? assert.fail(start);
  assert.match(way, /`countersign init`/);
  await sh('countersign init');
  writeFileSync(join(folder, 'countersign.yaml'), blocks('yaml').join(''));
  await sh('countersign validate');
  await sh(typed('countersign keys create'));
  const kept = readdirSync(join(folder, '.countersign')).filter((name) => name.endsWith('.key'));
  assert.deepEqual(kept, ['hybrid-coordinator.key']);
  assert.equal(statSync(join(folder, '.countersign', 'hybrid-coordinator.key')).mode & 0o777, 0o600);
  const upstream = await startUpstream(t);
  const program = await startProgram(t, {
    yaml: `mode: enforce\nservices: { embeddings: { upstream: "${upstream.url}" } }\n`,
  });
  const key = readFileSync(join(folder, '.countersign/hybrid-coordinator.key'), 'utf8');
  assert.equal((await program.cli(['keys', 'import', 'hybrid-coordinator', '--kind', 'sk'], key)).code, 0);
  assert.match(await sh(typed('curl').replace('http://127.0.0.1:8700', program.origin)), /"upstream":true/);
  assert.equal(await sh('git status --porcelain --untracked-files=all'), '?? .gitignore\n?? countersign.yaml\n');
  await sh(typed('countersign operators create'));
  const [ana] = JSON.parse(await sh('countersign operators list --output json')) as { name: string; role: string }[];
  assert.deepEqual([ana?.name, ana?.role], ['ana', 'operator']);
});
