import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nginx, provide } from '../../test/fixtures/programs.ts';
import { proxyContract } from '../../test/fixtures/proxy.contract.ts';
import { shipped, startProxy, temporaryFolder } from '../../test/fixtures/proxied-stack.ts';

// As Debian's nginx.conf has it, but in the foreground and below one folder.
const around = (folder: string): string => `daemon off;
pid ${folder}/nginx.pid;
error_log stderr crit;
events { worker_connections 64; }
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join('\n  ')}
  include conf.d/*.conf;
}
`;

proxyContract('nginx', {
  program: nginx,
  away: 503,
  async start(t, addresses) {
    const folder = temporaryFolder(t, 'nginx');
    mkdirSync(join(folder, 'conf.d'));
    cpSync(join(import.meta.dirname, 'countersign'), join(folder, 'countersign'), { recursive: true });
    writeFileSync(join(folder, 'conf.d/site.conf'), shipped(join(import.meta.dirname, 'site.conf'), addresses));
    writeFileSync(join(folder, 'nginx.conf'), around(folder));
    await startProxy(t, provide(nginx), ['-c', join(folder, 'nginx.conf'), '-p', folder], { port: addresses.proxy });
  },
});
