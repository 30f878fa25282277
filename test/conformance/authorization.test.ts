/** The protocol's own checks of authorization servers, against the embedded one. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, globSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createClient } from '../../src/authority/oauth/clients.ts';
import { adminToken } from '../fixtures/authority-stack.ts';
import { plainBrowser } from '../fixtures/oauth-browser.ts';
import { freePort } from '../fixtures/free-port.ts';
import { oauthStack } from '../fixtures/oauth-stack.ts';

const program = new URL('../../node_modules/.bin/conformance', import.meta.url).pathname;

interface Check {
  readonly id: string;
  readonly status: string;
  readonly errorMessage?: string;
}

test('the authorization scenarios of the conformance suite pass', { timeout: 60_000 }, async (t) => {
  const here = await oauthStack(t, {
    yaml: () => `
oauth: { server: { registration: true } }
services:
  files: { upstream: 'http://127.0.0.1:1', accept: [oauth], oauth: { scopes: [files:read] } }
`,
  });
  const port = await freePort();
  const { clientId } = await createClient(
    { name: 'The suite', redirectUris: [`http://127.0.0.1:${port}/callback`], device: false, scopes: [], jwks: null },
    { records: here.stack.store.records, clock: here.stack.clock, accessTokenSeconds: 300 },
  );
  const folder = mkdtempSync(join(tmpdir(), 'conformance-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const asked = [
    '--url',
    here.admin,
    '--client-id',
    clientId,
    '-p',
    String(port),
    '--resource',
    `${here.gateway}/files`,
  ];
  const suite = spawn(process.execPath, [program, 'authorization', ...asked, '--output-dir', folder], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  let login: Promise<unknown> = Promise.resolve();
  for (const stream of [suite.stdout, suite.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      const before = /Callback server started/.test(said);
      said += text;
      const url = /^(http\S+\/oauth\/authorize\S+)$/m.exec(said)?.[1];
      if (!before && url !== undefined && /Callback server started/.test(said)) login = logIn(here.admin, url);
    });
  const code = await new Promise<number | null>((resolve) => void suite.on('close', resolve));
  await login;
  const checks = globSync('**/checks.json', { cwd: folder }).flatMap(
    (file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as Check[],
  );
  assert.ok(checks.length >= 2, said);
  assert.deepEqual(
    checks.filter(({ status }) => status === 'FAILURE'),
    [],
  );
  assert.equal(code, 0, said);
});

/** What the suite asks a person to do. */
async function logIn(home: string, url: string): Promise<void> {
  const browser = plainBrowser(home);
  const page = await browser.open(url);
  const consent = await browser.submit(page, '/login', { token: adminToken });
  const { landed } = await browser.submit(consent, '/confirm');
  assert.ok(landed);
  await (await fetch(landed)).text();
}
