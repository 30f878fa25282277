import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { caddy, provide } from '../../test/fixtures/programs.ts';
import { shipped, startProxy, temporaryFolder, type Addresses } from '../../test/fixtures/proxied-stack.ts';
import { http2Contract } from '../../test/fixtures/proxy-http2.contract.ts';
import { proxyContract } from '../../test/fixtures/proxy.contract.ts';

const start =
  (protocol: 'h1' | 'h2c') =>
  async (t: TestContext, addresses: Addresses): Promise<void> => {
    const folder = temporaryFolder(t, 'caddy');
    const at = (file: string): string => join(import.meta.dirname, file);
    writeFileSync(join(folder, 'countersign.caddy'), shipped(at('countersign.caddy'), addresses));
    // Caddy's own endpoint would be one fixed port for all that run on this machine.
    const options = `{\n\tadmin off\n\tservers {\n\t\tprotocols h1 ${protocol === 'h2c' ? 'h2c' : ''}\n\t}\n}\n`;
    writeFileSync(join(folder, 'Caddyfile'), `${options}${shipped(at('Caddyfile'), addresses)}`);
    const args = ['run', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile'];
    const env = { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
    await startProxy(t, provide(caddy), args, { port: addresses.proxy, env });
  };

proxyContract('Caddy', { program: caddy, away: 502, start: start('h1') });
http2Contract('Caddy', { program: caddy, start: start('h2c') });
