import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { haproxy, provide } from '../../test/fixtures/programs.ts';
import { shipped, startProxy, temporaryFolder } from '../../test/fixtures/proxied-stack.ts';
import { proxyContract } from '../../test/fixtures/proxy.contract.ts';

proxyContract('HAProxy', {
  program: haproxy,
  away: 503,
  async start(t, addresses) {
    const folder = temporaryFolder(t, 'haproxy');
    copyFileSync(join(import.meta.dirname, 'countersign.lua'), join(folder, 'countersign.lua'));
    const config = shipped(join(import.meta.dirname, 'haproxy.cfg'), addresses).replaceAll('/etc/haproxy', folder);
    writeFileSync(join(folder, 'haproxy.cfg'), config);
    await startProxy(t, provide(haproxy), ['-db', '-f', join(folder, 'haproxy.cfg')], { port: addresses.proxy });
  },
});
