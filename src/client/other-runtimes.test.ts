import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { createServiceClient } from './index.ts';

const credential = { kind: 'api-key', key: 'some-key' } as const;

for (const name of ['Bun', 'Deno'])
  test(`on ${name} the fetch of the runtime is used, and TLS of the client's own is refused`, async (t) => {
    Object.assign(globalThis, { [name]: {} });
    const { fetch } = globalThis;
    const handedOn: (RequestInit | undefined)[] = [];
    globalThis.fetch = (input, init) => {
      handedOn.push(init);
      return fetch(input, init);
    };
    const server = createServer((req, res) => res.end(req.headers.authorization)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => {
      Object.assign(globalThis, { fetch });
      Reflect.deleteProperty(globalThis, name);
      server.close();
      server.closeAllConnections();
    });
    const tls = { cert: 'some certificate', key: 'some key' };
    for (const options of [
      { credential, tls },
      { credential: { kind: 'client-certificate' }, tls: () => tls },
    ] as const)
      assert.throws(() => createServiceClient({ ...options, baseUrl: 'https://localhost' }), {
        name: 'TypeError',
        message: /tls needs Node/,
      });

    const client = createServiceClient({
      credential,
      baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    });
    assert.equal(await (await client.fetch('/')).text(), 'Bearer some-key');
    assert.equal(handedOn.length, 1);
    assert.ok(!('dispatcher' in (handedOn[0] ?? {})));
    await client.close();
  });
