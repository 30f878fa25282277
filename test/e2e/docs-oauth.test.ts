/** How docs/oauth.md lets a machine in, typed as it stands. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { cleanEnvironment, startProgram, startUpstream } from './program.ts';

const root = join(import.meta.dirname, '../..');

test('a machine gets its token by the commands of the page, and is let in with it', async (t) => {
  const [, typed = ''] =
    /```sh\n([^]*?grant_type=client_credentials[^]*?)```/.exec(readFileSync(join(root, 'docs/oauth.md'), 'utf8')) ?? [];
  const upstream = await startUpstream(t);
  const yaml = `mode: enforce\noauth: { server: {} }\nservices:\n  files: { upstream: "${upstream.url}", accept: [oauth], oauth: { scopes: [files:read] } }\n`;
  const program = await startProgram(t, { yaml });
  const commands = typed
    .replace('https://tools.example.org', program.origin)
    .replace('https://auth.example.org', `http://127.0.0.1:${program.adminPort}`);
  const env = { ...cleanEnvironment(), PATH: `${join(root, 'bin')}${delimiter}${process.env['PATH'] ?? ''}` };
  const { stdout } = await promisify(execFile)('sh', ['-ec', commands], { cwd: program.folder, env });
  const { access_token: token } = JSON.parse(stdout) as { access_token: string };
  const call = (headers: Record<string, string>) => fetch(`${program.origin}/files/x`, { headers });
  assert.equal((await call({ authorization: `Bearer ${token}` })).status, 200);
  assert.equal((await call({})).status, 401);
});
