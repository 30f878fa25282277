import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { haproxy, provide } from '../../test/fixtures/programs.ts';
import { shipped, startProxy, temporaryFolder, type Addresses } from '../../test/fixtures/proxied-stack.ts';
import { http2Contract } from '../../test/fixtures/proxy-http2.contract.ts';
import { proxyContract } from '../../test/fixtures/proxy.contract.ts';

const start =
  (protocol: '' | ' proto h2') =>
  async (t: TestContext, addresses: Addresses): Promise<void> => {
    const folder = temporaryFolder(t, 'haproxy');
    copyFileSync(join(import.meta.dirname, 'countersign.lua'), join(folder, 'countersign.lua'));
    const config = shipped(join(import.meta.dirname, 'haproxy.cfg'), addresses)
      .replaceAll('/etc/haproxy', folder)
      .replace(/^ {2}bind .*/m, (line) => `${line}${protocol}`);
    writeFileSync(join(folder, 'haproxy.cfg'), config);
    await startProxy(t, provide(haproxy), ['-db', '-f', join(folder, 'haproxy.cfg')], { port: addresses.proxy });
  };

proxyContract('HAProxy', { program: haproxy, away: 503, start: start('') });
http2Contract('HAProxy', { program: haproxy, start: start(' proto h2') });

// Measured: each event of a stream, 0.2 seconds late without it. No test of time holds on a busy machine.
test('HAProxy holds no event of a stream back', () => {
  const config = readFileSync(join(import.meta.dirname, 'haproxy.cfg'), 'utf8');
  assert.match(config, /^defaults\n(?: {2}.*\n)* {2}option http-no-delay\b/m);
});
