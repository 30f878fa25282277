/** TLS on the doors and towards upstreams, and callers proven by certificates, over real sockets. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import { createServer as createHttpsServer, request } from 'node:https';
import { connect as connectPlain, type AddressInfo, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { testAuthority, trustDomain, type TestAuthority } from '../../../test/fixtures/certificates.ts';
import { until } from '../../../test/fixtures/until.ts';
import { createAuthority } from '../../authority/authority.ts';
import { parseConfig } from '../../compose/load/load.ts';
import { createStack, type Stack } from '../../compose/stack.ts';
import type { Issued } from '../../certificates/issue.ts';
import { systemClock } from '../../core/clock.ts';
import { revokedCertificateKind } from '../../core/certificate.ts';
import { createServiceClient, type ClientTls } from '../../client/index.ts';
import { createGateway } from '../../gateway/gateway.ts';
import { openDoors } from './doors.ts';

interface Place {
  readonly stack: Stack;
  readonly url: string;
  readonly adminUrl: string;
  readonly port: number;
  readonly authority: TestAuthority;
  readonly told: string[];
  /** How far the clock of the stack is ahead, seconds. */
  readonly time: { ahead: number };
  /** Asks `/echo/` with a certificate, or none. */
  ask(client?: Issued | null, more?: Asking): Promise<Answer>;
}

interface Asking extends ConnectionOptions {
  readonly path?: string;
  readonly headers?: Record<string, string>;
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly reason: string;
}

async function listening(
  server: { listen(port: number, host: string): unknown } & NodeJS.EventEmitter,
): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return ((server as unknown as { address(): AddressInfo }).address() as AddressInfo).port;
}

async function place(
  t: TestContext,
  more: Readonly<Record<string, unknown>> = {},
  config: object = {},
): Promise<Place> {
  const authority = await testAuthority(t);
  const upstream = createHttpServer((req, res) => {
    if (req.url === '/stream') res.write('open\n');
    else res.end(String(req.headers['x-auth-principal']));
  });
  const upstreamPort = await listening(upstream);
  t.after(() => {
    upstream.closeAllConnections();
    upstream.close();
  });
  const told: string[] = [];
  const time = { ahead: 0 };
  const door = authority.write('door', await authority.leaf('gateway'));
  const written = {
    listen: '127.0.0.1:0',
    adminListen: '127.0.0.1:0',
    store: 'memory:',
    audit: { log: false },
    callers: ['aidb'],
    tls: { ...door, clientCa: authority.ca, trustDomain, subjects: { 'batch-1': 'batch' } },
    adminTls: door,
    services: {
      echo: {
        upstream: `http://127.0.0.1:${upstreamPort}`,
        accept: ['api-key', 'client-certificate'],
        ...more,
      },
    },
    ...config,
  };
  const stack = await createStack({
    config: parseConfig(JSON.stringify(written), { file: null, env: {} }),
    env: {},
    clock: () => systemClock() + time.ahead,
    warn: (text) => told.push(text),
  });
  const gateway = createGateway(stack);
  const endpoints = await createAuthority(stack);
  const doors = await openDoors(stack, gateway, endpoints);
  t.after(async () => {
    await gateway.close();
    await doors.close(0, 0);
    await endpoints.close();
    await stack.close();
  });
  const urlOf = (name: string): string => doors.open.find((open) => open.name === name)?.url ?? '';
  const url = urlOf('gateway');
  return {
    stack,
    url,
    adminUrl: urlOf('admin'),
    port: Number(new URL(url).port),
    authority,
    told,
    time,
    ask: (client = null, { path = '/echo/', headers = {}, ...options } = {}) =>
      answered(`${url}${path}`, { headers, ca: authority.root.certificate, ...shown(client), ...options }),
  };
}

function shown(client: Issued | null): { cert?: string; key?: string } {
  return client === null ? {} : { cert: client.certificate, key: client.privateKey };
}

async function answered(url: string, options: object): Promise<Answer> {
  const call = request(url, { agent: false, ...options });
  call.end();
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  let body = '';
  for await (const piece of response) body += String(piece);
  const { reason = '' } = (body.startsWith('{') ? JSON.parse(body) : {}) as { reason?: string };
  return { status: response.statusCode ?? 0, body, reason };
}

describe('a caller with a certificate', () => {
  it('is the service of its SPIFFE id, or of its common name where that is listed', async (t) => {
    const { ask, authority, adminUrl } = await place(t);
    assert.equal((await ask(await authority.leaf('aidb'))).body, 'service:aidb');
    assert.deepEqual(await ask().then(({ status, reason }) => [status, reason]), [401, 'missing_credentials']);
    // A header decides before the connection, and a broken one is not made good by it.
    const wrong = await ask(await authority.leaf('aidb'), { headers: { authorization: 'Bearer nonsense' } });
    assert.deepEqual([wrong.status, wrong.reason], [401, 'invalid_credentials']);
    const browser = await ask(await authority.leaf('aidb'), { headers: { 'sec-fetch-site': 'cross-site' } });
    assert.deepEqual([browser.status, browser.reason], [403, 'not_allowed']);
    const admin = await answered(`${adminUrl}/nothing`, { ca: authority.root.certificate });
    assert.equal(admin.status, 404);
  });

  it('is refused with a certificate that does not count, whatever is wrong with it', async (t) => {
    const { ask, authority, stack } = await place(t);
    const now = Math.floor(Date.now() / 1000);
    const other = await testAuthority(t);
    const revoked = await authority.leaf('aidb');
    const entry = { kind: revokedCertificateKind, id: revoked.serial, value: {}, expiresAt: revoked.notAfter };
    await stack.store.records.put(entry, null, now);
    const attempts: [string, Issued, string][] = [
      ['of another authority', await other.leaf('aidb'), 'invalid_credentials'],
      ['that has expired', await authority.leaf('aidb', { notBefore: now - 90, notAfter: now - 30 }), 'expired'],
      ['that is not yet valid', await authority.leaf('aidb', { notBefore: now + 60 }), 'expired'],
      ['for servers only', await authority.leaf('aidb', { usage: 'server' }), 'invalid_credentials'],
      [
        'of another trust domain',
        await authority.leaf('aidb', { trustDomain: 'evil.internal' }),
        'invalid_credentials',
      ],
      ['with a longer id', await authority.leaf('aidb/admin'), 'invalid_credentials'],
      ['that is the authority’s own', authority.root, 'invalid_credentials'],
      ['that is revoked', revoked, 'revoked'],
    ];
    for (const [what, client, reason] of attempts) {
      const answer = await ask(client);
      assert.deepEqual([answer.status, answer.reason], [401, reason], what);
    }
    // Nor is it asked where the service does not accept certificates.
    const closed = await place(t, { accept: ['api-key'] });
    assert.equal((await closed.ask(await closed.authority.leaf('aidb'))).status, 401);
  });

  it('gains nothing by resumption, renegotiation or an old version of TLS', async (t) => {
    const { port, authority } = await place(t);
    const client = await authority.leaf('aidb');
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const options = { port, host: '127.0.0.1', ca: authority.root.certificate, maxVersion, ...shown(client) };
      let session: Buffer | undefined;
      const first = connect(options);
      first.on('session', (given: Buffer) => (session = given));
      await once(first, 'secureConnect');
      first.write('GET /echo/ HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
      first.resume();
      await once(first, 'close');
      session ??= first.getSession();
      const second = connect({ ...options, ...(session && { session }) });
      await once(second, 'secureConnect');
      assert.equal(second.isSessionReused(), false, maxVersion);
      if (maxVersion === 'TLSv1.2') assert.match(await renegotiated(second), /renegotiation|closed/i);
      second.destroy();
    }
    const old = connect({
      port,
      host: '127.0.0.1',
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ca: authority.root.certificate,
    });
    await assert.rejects(once(old, 'secureConnect'));
  });

  it('loses its open streams when the certificate is revoked or ends', async (t) => {
    const { port, authority, stack, time } = await place(t);
    const now = Math.floor(Date.now() / 1000);
    const [lasting, ending] = [await authority.leaf('aidb'), await authority.leaf('aidb', { notAfter: now + 3600 })];
    const streams = await Promise.all(
      [lasting, ending].map(async (client) => {
        const socket = connect({ port, host: '127.0.0.1', ca: authority.root.certificate, ...shown(client) });
        await once(socket, 'secureConnect');
        socket.on('error', () => undefined);
        socket.write('GET /echo/stream HTTP/1.1\r\nhost: a\r\n\r\n');
        const [bytes] = (await once(socket, 'data')) as [Buffer];
        assert.match(String(bytes), /200 OK/);
        return socket.resume();
      }),
    );
    const over = streams.map((socket) => once(socket, 'close'));
    time.ahead = 4000;
    await over[1];
    assert.equal(streams[0]?.destroyed, false);
    const entry = { kind: revokedCertificateKind, id: lasting.serial, value: {}, expiresAt: lasting.notAfter };
    await stack.store.records.put(entry, null, now);
    await over[0];
  });

  it('loses its open streams when its name is nobody’s any more', async (t) => {
    const { port, authority, stack } = await place(t);
    const client = await authority.leaf('aidb');
    const socket = connect({ port, host: '127.0.0.1', ca: authority.root.certificate, ...shown(client) });
    await once(socket, 'secureConnect');
    socket.on('error', () => undefined);
    socket.write('GET /echo/stream HTTP/1.1\r\nhost: a\r\n\r\n');
    await once(socket, 'data');
    const over = once(socket.resume(), 'close', { signal: AbortSignal.timeout(20_000) });
    const { config } = stack;
    stack.reload({ ...config, name: 'another' });
    await pause(700);
    assert.equal(socket.destroyed, false);
    stack.reload({ ...config, tls: config.tls && { ...config.tls, trustDomain: 'another.internal' } });
    await over;
  });

  it('loses its connection when the authority of the certificate is trusted no more', async (t) => {
    const { port, authority, ask } = await place(t);
    const next = await testAuthority(t);
    const both = `${authority.root.certificate}\n${next.root.certificate}`;
    writeFileSync(authority.ca, both);
    const [before, after] = [await authority.leaf('aidb'), await next.leaf('aidb')];
    await until(async () => (await ask(after)).status === 200, 'both authorities are trusted');
    const [idle, streaming, staying, nameless] = await Promise.all(
      (
        [
          [before, '/echo/'],
          [before, '/echo/stream'],
          [after, '/echo/stream'],
          [null, '/echo/'],
        ] as const
      ).map(async ([client, path]) => {
        const socket = connect({ port, host: '127.0.0.1', ca: authority.root.certificate, ...shown(client) });
        await once(socket, 'secureConnect');
        socket.on('error', () => undefined);
        socket.write(`GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`);
        await once(socket, 'data');
        return socket.resume();
      }),
    );
    // A handshake that began before, and is not gone on with.
    const begun = connectPlain(port, '127.0.0.1').on('error', () => undefined);
    await once(begun, 'connect');
    // So that it has been accepted, too.
    assert.equal((await ask(after)).status, 200);
    const over = [idle, streaming, begun].map((socket) =>
      once(socket as Socket, 'close', { signal: AbortSignal.timeout(20_000) }),
    );
    writeFileSync(authority.ca, next.root.certificate);
    await Promise.all(over);
    assert.deepEqual([staying?.destroyed, nameless?.destroyed], [false, false]);
    assert.deepEqual([(await ask(before)).status, (await ask(after)).status], [401, 200]);
  });
});

async function renegotiated(socket: TLSSocket): Promise<string> {
  const outcome = Promise.withResolvers<string>();
  socket.on('error', ({ message }) => outcome.resolve(message)).on('close', () => outcome.resolve('closed'));
  socket.renegotiate({}, (error) => outcome.resolve(error?.message ?? 'renegotiated'));
  return outcome.promise;
}

describe('our client with a certificate', () => {
  it('proves its service, takes up a new certificate, and shows it to no other origin', async (t) => {
    const { url, authority } = await place(t);
    const pem = async (service: string): Promise<ClientTls> => {
      const { certificate, privateKey } = await authority.leaf(service);
      return { ca: authority.root.certificate, cert: certificate, key: privateKey };
    };
    let shownNow = await pem('aidb');
    let asked = 0;
    const client = createServiceClient({
      credential: { kind: 'client-certificate' },
      tls() {
        asked += 1;
        return shownNow;
      },
      baseUrl: `${url}/echo`,
    });
    t.after(() => client.close());
    assert.equal(await (await client.fetch('/')).text(), 'service:aidb');
    const before = asked;
    shownNow = await pem('web');
    // Two at once need a second connection.
    const texts = await Promise.all([1, 2, 3].map(async () => (await client.fetch('/')).text()));
    assert.ok(asked > before && texts.includes('service:web'), texts.join(' '));
    await assert.rejects(client.fetch('https://localhost:1/'), { code: 'outside_base' });
    const keyed = createServiceClient({
      credential: { kind: 'api-key', key: 'nothing-that-is-known-here' },
      tls: { ca: authority.root.certificate },
      baseUrl: `${url}/echo`,
    });
    t.after(() => keyed.close());
    assert.equal((await keyed.fetch('/')).status, 401);
    const certificate = { kind: 'client-certificate' } as const;
    assert.throws(() => createServiceClient({ credential: certificate, baseUrl: url }), TypeError);
    assert.throws(
      () => createServiceClient({ credential: certificate, tls: shownNow, baseUrl: 'http://127.0.0.1:1' }),
      TypeError,
    );
  });
});

describe('a door with TLS', () => {
  it('shows new files as soon as both fit, and keeps the old ones until then', async (t) => {
    const { authority, port, told } = await place(t);
    const serial = async (): Promise<string> => {
      const socket = connect({ port, host: '127.0.0.1', ca: authority.root.certificate });
      await once(socket, 'secureConnect');
      const found = socket.getPeerX509Certificate()?.serialNumber.toLowerCase().replace(/^0+/, '') ?? '';
      socket.destroy();
      return found;
    };
    const before = await serial();
    const next = await authority.leaf('gateway');
    writeFileSync(`${authority.folder}/door.key`, next.privateKey);
    await until(() => told.some((line) => /stays in use/.test(line)), 'the old ones are said to stay');
    assert.equal(await serial(), before);
    writeFileSync(`${authority.folder}/door.crt`, next.certificate);
    await until(async () => (await serial()) === next.serial, 'the new ones are shown');
  });
});

describe('an upstream with TLS', () => {
  async function upstream(t: TestContext, authority: TestAuthority, hosts: readonly string[]): Promise<number> {
    const own = await authority.leaf('upstream', { hosts });
    const options = { ...shown(own), ca: authority.root.certificate, requestCert: true, rejectUnauthorized: true };
    const server = createHttpsServer(options, (req, res) => {
      const name = (req.socket as TLSSocket).getPeerX509Certificate()?.subjectAltName ?? '';
      res.end(`${name} ${String((req.socket as TLSSocket & { servername?: string }).servername)}`);
    });
    const port = await listening(server);
    t.after(() => {
      server.closeAllConnections();
      server.close();
    });
    return port;
  }

  it('is shown our certificate and checked by its authority and name, anew when the files change', async (t) => {
    const authority = await testAuthority(t);
    const port = await upstream(t, authority, [`up.${trustDomain}`]);
    const files = authority.write('own', await authority.leaf('gateway'));
    const at = { upstream: `https://127.0.0.1:${port}`, routes: [{ path: '/*', access: 'public' }] };
    const asked = async (tls: object): Promise<Answer> => (await place(t, { ...at, tls })).ask();
    const serverName = `up.${trustDomain}`;
    const good = await asked({ ca: authority.ca, ...files, serverName });
    assert.equal(good.body, `URI:spiffe://${trustDomain}/gateway, DNS:localhost, IP Address:127.0.0.1 ${serverName}`);
    const refused: [string, object][] = [
      ['another name', { ca: authority.ca, ...files }],
      ['an unknown authority', { ...files, serverName }],
      ['no certificate of ours', { ca: authority.ca, serverName }],
    ];
    for (const [what, tls] of refused) {
      const answer = await asked(tls);
      assert.deepEqual([answer.status, answer.reason], [502, 'upstream_unreachable'], what);
    }
    const { ask, told } = await place(t, { ...at, tls: { ca: authority.ca, ...files, serverName } });
    authority.write('own', await (await testAuthority(t)).leaf('stranger'));
    for (let count = 0; count < 200; count += 1) {
      if ((await ask(null, { path: `/echo/${count}` })).status === 502) return;
      await pause(50);
    }
    assert.fail(`the old certificate was shown on: ${told.join('; ')}`);
  });
});
