import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { adminToken } from '../../test/fixtures/authority-stack.ts';
import { plainBrowser } from '../../test/fixtures/oauth-browser.ts';
import { oauthStack } from '../../test/fixtures/oauth-stack.ts';
import { provide, python, skipWithout } from '../../test/fixtures/programs.ts';

test(
  'the script in Python logs in, calls, renews and revokes',
  { skip: skipWithout(python), timeout: 60_000 },
  async (t) => {
    const upstream = createServer((_req, res) => res.end('{"tools": []}')).listen(0, '127.0.0.1');
    await once(upstream, 'listening');
    t.after(() => upstream.close());
    const here = await oauthStack(t, {
      yaml: () => `
oauth: { server: { registration: true } }
services:
  files:
    upstream: http://127.0.0.1:${(upstream.address() as AddressInfo).port}
    accept: [oauth]
    oauth: { scopes: [files:read] }
    routes: [{ path: /mcp, scopes: [files:read] }]
`,
    });
    const script = fileURLToPath(new URL('oauth_login.py', import.meta.url));
    const run = spawn(provide(python), [script, `${here.gateway}/files/mcp`], { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    let visit: Promise<unknown> | null = null;
    run.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      const url = /^(http\S+\/oauth\/authorize\S+)\n/m.exec(said)?.[1];
      if (url !== undefined) visit ??= atBrowser(here.admin, url);
    });
    const [code] = await once(run, 'close');
    await visit;
    assert.equal(code, 0, said);
    assert.match(said, /tools\/list: 200\n\{"tools": \[\]\}\nrenewed: 200\nrevoked: 400\n/);
  },
);

async function atBrowser(home: string, url: string): Promise<void> {
  const browser = plainBrowser(home);
  const login = await browser.open(url);
  const consent = await browser.submit(login, '/login', { token: adminToken });
  assert.match(consent.body, /A Python script/);
  const { landed } = await browser.submit(consent, '/confirm');
  assert.ok(landed);
  await (await fetch(landed)).text();
}
