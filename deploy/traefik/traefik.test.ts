import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { parse } from 'yaml';
import { dialectOf } from '../../src/authority/forward-auth/forward-auth.ts';
import { IDENTITY_HEADERS } from '../../src/core/identity.ts';
import { rawRequest } from '../../test/fixtures/authority-stack.ts';
import { provide, traefik } from '../../test/fixtures/programs.ts';
import { shipped, startProxy, temporaryFolder } from '../../test/fixtures/proxied-stack.ts';
import { http2Contract } from '../../test/fixtures/proxy-http2.contract.ts';
import { proxyContract, type ProxyUnderTest } from '../../test/fixtures/proxy.contract.ts';

const proxy: ProxyUnderTest = {
  program: traefik,
  away: 500,
  stripsCredentials: 'always',
  async start(t, addresses) {
    const folder = temporaryFolder(t, 'traefik');
    const at = (file: string): string => join(import.meta.dirname, file);
    writeFileSync(join(folder, 'dynamic.yaml'), shipped(at('dynamic.yaml'), addresses));
    const config = shipped(at('traefik.yaml'), addresses).replace('dynamic.yaml', join(folder, 'dynamic.yaml'));
    writeFileSync(join(folder, 'traefik.yaml'), config);
    await startProxy(t, provide(traefik), [`--configFile=${join(folder, 'traefik.yaml')}`], { port: addresses.proxy });
    // It listens before it has read its routers, and knows nobody until then.
    const routed = async (): Promise<boolean> => {
      const { status } = await rawRequest(addresses.proxy, ['GET /embeddings/x HTTP/1.1', 'Host: stack.example.org']);
      return status !== 404;
    };
    while (!(await routed())) await setTimeout(20);
  },
};
proxyContract('Traefik', proxy);
http2Contract('Traefik', proxy);

test('every router takes claims off, asks for its service by name, and only then takes the prefix off', () => {
  const { http } = parse(readFileSync(join(import.meta.dirname, 'dynamic.yaml'), 'utf8'));
  const claims = Object.keys(http.middlewares['countersign-claims'].headers.customRequestHeaders);
  for (const name of IDENTITY_HEADERS) assert.ok(claims.includes(name), name);
  for (const [name, router] of Object.entries<{ middlewares: string[]; service: string }>(http.routers)) {
    assert.deepEqual(router.middlewares.slice(0, 2), ['countersign-claims', `countersign-${router.service}`], name);
    const { address, authResponseHeaders, ...rest } = http.middlewares[`countersign-${router.service}`].forwardAuth;
    const url = new URL(address);
    assert.ok(dialectOf(url.pathname), address);
    assert.equal(url.searchParams.get('service'), router.service);
    assert.deepEqual(authResponseHeaders, [...IDENTITY_HEADERS]);
    assert.deepEqual(rest, {}, 'trustForwardHeader would let the client describe its own request');
  }
});
