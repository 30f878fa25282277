import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { nginx, provide } from '../../test/fixtures/programs.ts';
import { http2Contract } from '../../test/fixtures/proxy-http2.contract.ts';
import { proxyContract } from '../../test/fixtures/proxy.contract.ts';
import { shipped, startProxy, temporaryFolder, type Addresses } from '../../test/fixtures/proxied-stack.ts';

// As Debian's nginx.conf has it, but in the foreground and below one folder, which is ours alone: its workers stay who we are.
const around = (folder: string): string => `daemon off;
user root;
pid ${folder}/nginx.pid;
error_log stderr crit;
events { worker_connections 64; }
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join('\n  ')}
  include conf.d/*.conf;
}
`;

const start =
  (protocol: '' | ' http2') =>
  async (t: TestContext, addresses: Addresses): Promise<void> => {
    const folder = temporaryFolder(t, 'nginx');
    mkdirSync(join(folder, 'conf.d'));
    cpSync(join(import.meta.dirname, 'countersign'), join(folder, 'countersign'), { recursive: true });
    const site = shipped(join(import.meta.dirname, 'site.conf'), addresses);
    writeFileSync(join(folder, 'conf.d/site.conf'), site.replace(/(listen [^;]*);/g, `$1${protocol};`));
    writeFileSync(join(folder, 'nginx.conf'), around(folder));
    await startProxy(t, provide(nginx), ['-c', join(folder, 'nginx.conf'), '-p', folder], { port: addresses.proxy });
  };

proxyContract('nginx', { program: nginx, away: 503, start: start('') });
http2Contract('nginx', { program: nginx, start: start(' http2') });
