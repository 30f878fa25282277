import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { caddy, provide } from '../../test/fixtures/programs.ts';
import { shipped, startProxy, temporaryFolder } from '../../test/fixtures/proxied-stack.ts';
import { proxyContract } from '../../test/fixtures/proxy.contract.ts';

proxyContract('Caddy', {
  program: caddy,
  away: 502,
  async start(t, addresses) {
    const folder = temporaryFolder(t, 'caddy');
    const at = (file: string): string => join(import.meta.dirname, file);
    writeFileSync(join(folder, 'countersign.caddy'), shipped(at('countersign.caddy'), addresses));
    // Caddy's own endpoint would be one fixed port for all that run on this machine.
    writeFileSync(join(folder, 'Caddyfile'), `{\n\tadmin off\n}\n${shipped(at('Caddyfile'), addresses)}`);
    const args = ['run', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile'];
    const env = { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
    await startProxy(t, provide(caddy), args, { port: addresses.proxy, env });
  },
});
