import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { rawRequest } from '../../test/fixtures/authority-stack.ts';
import { provide, traefik } from '../../test/fixtures/programs.ts';
import { shipped, startProxy, temporaryFolder } from '../../test/fixtures/proxied-stack.ts';
import { proxyContract } from '../../test/fixtures/proxy.contract.ts';

proxyContract('Traefik', {
  program: traefik,
  away: 500,
  stripsCredentials: 'always',
  async start(t, addresses) {
    const folder = temporaryFolder(t, 'traefik');
    const at = (file: string): string => join(import.meta.dirname, file);
    writeFileSync(join(folder, 'countersign.yaml'), shipped(at('countersign.yaml'), addresses));
    const config = shipped(at('traefik.yaml'), addresses).replace('countersign.yaml', join(folder, 'countersign.yaml'));
    writeFileSync(join(folder, 'traefik.yaml'), config);
    await startProxy(t, provide(traefik), [`--configFile=${join(folder, 'traefik.yaml')}`], { port: addresses.proxy });
    // It listens before it has read its routers, and knows nobody until then.
    const routed = async (): Promise<boolean> => {
      const { status } = await rawRequest(addresses.proxy, ['GET /embeddings/x HTTP/1.1', 'Host: stack.example.org']);
      return status !== 404;
    };
    while (!(await routed())) await setTimeout(20);
  },
});
