import assert from 'node:assert/strict';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { afterEach, describe, it } from 'node:test';
import {
  door,
  rawExchange,
  testUpstream,
  type Door,
  type Seen,
  type TestUpstream,
} from '../../../test/fixtures/gateway-door.ts';
import { ruleFor } from '../../../test/fixtures/asked.ts';
import type { FixtureOptions } from '../../../test/fixtures/gateway-stack.ts';

describe('headers on their way upstream', () => {
  let upstream: TestUpstream | undefined;
  let gate: Door | undefined;

  afterEach(async () => {
    await gate?.close();
    await upstream?.close();
  });

  async function opened(
    options: Partial<FixtureOptions> & { service?: FixtureOptions['services'][number] } = {},
  ): Promise<Door> {
    upstream = await testUpstream((req, res) => req.resume().on('end', () => res.end('ok')));
    const { service, ...rest } = options;
    gate = await door({ services: [{ name: 'echo', upstream: upstream.url, ...service }], ...rest });
    return gate;
  }

  async function sent(
    lines: readonly string[],
    path = '/echo/x',
    method = 'GET',
  ): Promise<{ seen: Seen | undefined; response: IncomingMessage }> {
    const call = httpRequest({
      host: '127.0.0.1',
      port: gate?.port,
      path,
      method,
      headers: ['Host', 'gate.example', ...lines] as never,
    });
    call.end();
    const [response] = (await once(call, 'response')) as [IncomingMessage];
    response.resume();
    await once(response, 'end');
    return { seen: upstream?.seen.at(-1), response };
  }

  const good = ['Authorization', 'Bearer good'];

  it('replaces identity headers in every spelling by ours', async () => {
    await opened();
    const forged = [
      'X-Auth-Principal',
      'x_auth_principal',
      'X.Auth.User',
      'X-AUTH-Request_User',
      'x-auth-mode',
      'X-Auth-Scopes',
      'X-Auth-Anything',
    ];
    const { seen } = await sent([...good, ...forged.flatMap((name) => [name, 'forged']), 'X-Auth-Token', 'theirs']);
    assert.ok(!seen?.rawHeaders.includes('forged'));
    assert.equal(seen?.headers['x-auth-request-user'], 'aidb');
    assert.equal(seen?.headers['x-auth-principal'], 'service:aidb');
    assert.equal(seen?.headers['x-auth-scopes'], 'embed:read embed:write');
    assert.equal(seen?.headers['x-auth-mode'], 'enforce');
    assert.equal(seen?.headers['x-auth-token'], 'theirs');
  });

  it('cannot be talked out of the stamp by a Connection header', async () => {
    await opened();
    const { seen } = await sent([
      ...good,
      'Connection',
      'close, X-Auth-Principal, X-Forwarded-For, X-Custom',
      'X-Custom',
      '1',
      'X-Kept',
      '2',
    ]);
    assert.equal(seen?.headers['x-auth-principal'], 'service:aidb');
    assert.equal(seen?.headers['x-forwarded-for'], '127.0.0.1');
    assert.equal(seen?.headers['x-custom'], undefined);
    assert.equal(seen?.headers['x-kept'], '2');
  });

  it('drops what belongs to one connection', async () => {
    await opened();
    const { seen } = await sent([
      ...good,
      'Keep-Alive',
      '1',
      'Proxy-Connection',
      'x',
      'Proxy-Authorization',
      'Basic x',
      'TE',
      'trailers',
    ]);
    for (const name of ['keep-alive', 'proxy-connection', 'proxy-authorization', 'te'])
      assert.equal(seen?.headers[name], undefined, name);
  });

  const credentials = [
    'x-api-key',
    'k',
    'X-Service-ID',
    's',
    'X-Service-Signature',
    's',
    'X-Service-Timestamp',
    '1',
    'Signature',
    's',
    'Signature-Input',
    's',
  ];

  it('keeps the credential from the upstream when it enforces', async () => {
    await opened();
    const { seen } = await sent([...good, ...credentials, 'X-Override-Token', 'o', 'X_Override_Token', 'o']);
    const names = seen?.rawHeaders.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase()) ?? [];
    for (const name of [
      'authorization',
      'x-api-key',
      'x-service-id',
      'x-service-signature',
      'x-service-timestamp',
      'signature',
      'signature-input',
      'x-override-token',
      'x_override_token',
    ])
      assert.ok(!names.includes(name), name);
  });

  it('passes the credential on where the service says so, but never the override token', async () => {
    await opened({ service: { passCredential: true } });
    const { seen } = await sent([...good, ...credentials, 'X-Override-Token', 'o']);
    assert.equal(seen?.headers.authorization, 'Bearer good');
    assert.equal(seen?.headers['x-api-key'], 'k');
    assert.equal(seen?.headers['x-override-token'], undefined);
  });

  it('leaves an Authorization that is the upstream’s alone', async () => {
    await opened({ service: { authorization: 'upstream' } });
    const { seen } = await sent([...good, 'x-api-key', 'k']);
    assert.equal(seen?.headers.authorization, 'Bearer good');
    assert.equal(seen?.headers['x-api-key'], undefined);
  });

  it('changes no credential in report mode and stamps an empty identity on what would be denied', async () => {
    await opened({ mode: 'report' });
    const { seen } = await sent(['Authorization', 'Bearer wrong', 'x-api-key', 'k', 'X-Auth-Principal', 'forged']);
    assert.equal(seen?.headers.authorization, 'Bearer wrong');
    assert.equal(seen?.headers['x-api-key'], 'k');
    assert.equal(seen?.headers['x-auth-principal'], '');
    assert.equal(seen?.headers['x-auth-mode'], 'report');
    const allowed = await sent(good);
    assert.equal(allowed.seen?.headers['x-auth-principal'], 'service:aidb');
    assert.equal(allowed.seen?.headers.authorization, 'Bearer good');
  });

  it('strips identity headers in off mode too and stamps none', async () => {
    await opened({ mode: 'off' });
    const { seen } = await sent([...good, 'X-Auth-Principal', 'forged']);
    assert.equal(seen?.headers.authorization, 'Bearer good');
    assert.deepEqual(
      Object.keys(seen?.headers ?? {}).filter((name) => name.startsWith('x-auth')),
      [],
    );
  });

  it('puts the upstream’s key in on an allowed verdict only', async () => {
    const service = {
      upstreamKey: { file: '/run/secrets/key', header: 'authorization' },
      rules: [ruleFor('/open', { access: 'public' })],
    } as const;
    await opened({ service, mode: 'report', upstreamKeys: { echo: 'theirs' } });
    assert.equal((await sent(good)).seen?.headers.authorization, 'Bearer theirs');
    assert.equal((await sent(['Authorization', 'Bearer wrong'])).seen?.headers.authorization, 'Bearer wrong');
    assert.equal((await sent([], '/echo/open')).seen?.headers.authorization, undefined);
  });

  it('answers 503 when the upstream’s key cannot be read', async () => {
    await opened({ service: { upstreamKey: { file: '/run/secrets/key', header: 'x-api-key' } } });
    const { response, seen } = await sent(good);
    assert.equal(response.statusCode, 503);
    assert.equal(seen, undefined);
  });

  it('believes forwarding headers of trusted proxies only', async () => {
    const claims = [
      ...good,
      'X-Forwarded-For',
      '203.0.113.7',
      'X-Forwarded-Host',
      'evil',
      'X-Forwarded-Proto',
      'https',
      'Forwarded',
      'for=203.0.113.7',
      'X-Real-IP',
      '203.0.113.7',
      'X_Forwarded_For',
      '1.1.1.1',
    ];
    await opened();
    const plain = (await sent(claims)).seen?.headers;
    assert.equal(plain?.['x-forwarded-for'], '127.0.0.1');
    assert.equal(plain?.['x-forwarded-host'], 'gate.example');
    assert.equal(plain?.['x-forwarded-proto'], 'http');
    for (const name of ['forwarded', 'x-real-ip', 'x_forwarded_for']) assert.equal(plain?.[name], undefined, name);
    await gate?.close();
    await upstream?.close();
    await opened({ trustedProxies: ['127.0.0.1/32'] });
    const trusted = (await sent(claims)).seen?.headers;
    assert.equal(trusted?.['x-forwarded-for'], '203.0.113.7, 127.0.0.1');
    assert.equal(trusted?.['x-forwarded-host'], 'evil');
    assert.equal(trusted?.['x-forwarded-proto'], 'https');
    assert.equal(trusted?.forwarded, 'for=203.0.113.7, for=127.0.0.1');
    // No proxy spells it so; WSGI would merge it with the real one.
    assert.equal(trusted?.['x_forwarded_for'], undefined);
  });

  it('lets no client name its own address in the words of proxies that are not there', async () => {
    const names = ['True-Client-IP', 'X-Client-IP', 'CF-Connecting-IP', 'X-Cluster-Client-IP', 'Fastly-Client-IP'];
    const lines = [...good, ...[...names, 'True_Client_IP'].flatMap((name) => [name, '10.0.0.1'])];
    await opened();
    assert.ok(!(await sent(lines)).seen?.rawHeaders.includes('10.0.0.1'));
    await gate?.close();
    await upstream?.close();
    await opened({ trustedProxies: ['127.0.0.1/32'] });
    const trusted = (await sent(lines)).seen?.headers;
    for (const name of names) assert.equal(trusted?.[name.toLowerCase()], '10.0.0.1', name);
    assert.equal(trusted?.['true_client_ip'], undefined);
  });

  it('lets no client say who it is in the words of other proxies', async () => {
    const names = [
      'Remote-User',
      'Remote-Groups',
      'X-Remote-User',
      'X-WEBAUTH-USER',
      'X-authentik-username',
      'Tailscale-User-Login',
      'X-Goog-Authenticated-User-Email',
      'X-MS-CLIENT-PRINCIPAL-NAME',
      'X-Amzn-Oidc-Identity',
      'Cf-Access-Authenticated-User-Email',
      'Client-Cert',
      'X-SSL-Client-S-DN',
    ];
    const lines = [...good, ...[...names, 'Remote_User', 'X_WEBAUTH_USER'].flatMap((name) => [name, 'root'])];
    const others = ['Remote-Userland', 'X-Remote', 'Client-Certificate-Id'].flatMap((name) => [name, 'kept']);
    await opened();
    const plain = (await sent([...lines, ...others])).seen?.rawHeaders;
    assert.ok(!plain?.includes('root'));
    assert.equal(plain?.filter((text) => text === 'kept').length, 3);
    await gate?.close();
    await upstream?.close();
    await opened({ trustedProxies: ['127.0.0.1/32'] });
    const trusted = (await sent(lines)).seen?.headers;
    for (const name of names) assert.equal(trusted?.[name.toLowerCase()], 'root', name);
    // No proxy spells it so.
    assert.equal(trusted?.['remote_user'], undefined);
    await gate?.close();
    await upstream?.close();
    await opened({ mode: 'report' });
    assert.equal((await sent(lines)).seen?.headers['remote-user'], 'root', 'report changes nothing');
  });

  it('passes nothing on that names another path or method than the one judged', async () => {
    const rewrites = [
      'X-Original-URL',
      'X-Rewrite-URL',
      'X-HTTP-Method-Override',
      'x_http_method',
      'X-Method-Override',
    ];
    const lines = [...good, ...rewrites.flatMap((name) => [name, '/admin'])];
    await opened();
    assert.ok(!(await sent(lines)).seen?.rawHeaders.includes('/admin'));
    await gate?.close();
    await upstream?.close();
    await opened({ mode: 'report' });
    assert.equal((await sent(lines)).seen?.headers['x-original-url'], '/admin', 'report changes nothing');
  });

  it('gives the upstream the request id of our log, and believes a trusted proxy’s', async () => {
    await opened();
    const { seen } = await sent([...good, 'X-Request-Id', 'of-the-client']);
    assert.ok(seen?.headers['x-request-id']);
    assert.notEqual(seen.headers['x-request-id'], 'of-the-client');
    await gate?.close();
    await upstream?.close();
    await opened({ trustedProxies: ['127.0.0.1/32'] });
    assert.equal((await sent([...good, 'X-Request-Id', 'of-the-proxy'])).seen?.headers['x-request-id'], 'of-the-proxy');
  });

  it('records what it cannot read as that of the client behind a trusted proxy', async () => {
    const raw = () =>
      rawExchange(
        (gate as Door).port,
        'GET /echo//x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Forwarded-For: 198.51.100.7\r\nX-Request-Id: trace-1\r\n\r\n',
      );
    for (const [trustedProxies, address, isGiven] of [
      [[], '127.0.0.1', false],
      [['127.0.0.1/32'], '198.51.100.7', true],
    ] as const) {
      await opened({ trustedProxies });
      assert.match(await raw(), /^HTTP\/1\.1 400 /);
      const [kept] = (gate as Door).refused;
      assert.deepEqual([kept?.remoteAddress, kept?.requestId === 'trace-1'], [address, isGiven]);
      await gate?.close();
      await upstream?.close();
    }
  });

  it('goes on knowing the usual headers after thousands of made-up ones', async () => {
    await opened();
    for (let round = 0; round < 40; round += 1) {
      const names = Array.from({ length: 40 }, (_, index) => [`X-Made-Up-${round}-${index}`, 'x']).flat();
      await sent([...good, ...names]);
    }
    const { seen } = await sent([...good, 'X-Auth-Principal', 'forged']);
    assert.equal(seen?.headers['x-auth-principal'], 'service:aidb');
  });

  it('names the upstream’s host and never passes our cookies', async () => {
    await opened();
    const { seen } = await sent([
      ...good,
      'Cookie',
      'a=1; countersign_session=secret; b=2',
      'Cookie',
      'countersign_session=secret',
      'Cookie',
      '=countersign_session=secret',
      'Cookie',
      '__Host-countersign_openid_8701=sealed; countersign_oauth_session_8701.sig=secret; countersign_session_8701=secret',
    ]);
    assert.equal(seen?.headers.host, new URL(upstream?.url ?? '').host);
    assert.equal(seen?.headers.cookie, 'a=1; b=2');
  });

  it('lends the upstream’s host to no page that has a name of its own mean this machine, where nothing is proven', async () => {
    await opened({ mode: 'report', service: { hosts: ['echo.example'] } });
    const own = new URL(upstream?.url ?? '').host;
    const named = async (host: string, lines: readonly string[] = []): Promise<string | undefined> => {
      const head = ['GET /echo/x HTTP/1.1', `Host: ${host}`, 'Connection: close', ...lines, '', ''];
      await rawExchange(gate?.port ?? 0, head.join('\r\n'));
      return upstream?.seen.at(-1)?.headers.host;
    };
    for (const host of [
      'rebound.example',
      'rebound.example:8700',
      'localhost.rebound.example',
      '127.0.0.1.rebound.example',
    ])
      for (const lines of [[], ['X-Forwarded-For: 192.0.2.1', 'X-Forwarded-Host: localhost'], ['x-api-key: wrong']])
        assert.equal(await named(host, lines), host);
    for (const host of [
      'localhost:8700',
      '127.0.0.1',
      '[::1]:8700',
      'gateway',
      'host.docker.internal:8700',
      'echo.example',
    ])
      assert.equal(await named(host), own, host);
    assert.equal(await named('rebound.example', ['Authorization: Bearer good']), own, 'a page with a key');
    assert.equal(await named('tools.example', ['Via: 1.1 proxy']), own);
    await gate?.close();
    await upstream?.close();
    await opened({ mode: 'report', trustedProxies: ['127.0.0.1/32'] });
    assert.equal(await named('tools.example'), new URL(upstream?.url ?? '').host);
  });

  it('says in dev mode that nobody is asked, and answers loopback names only', async () => {
    await opened({ mode: 'off', devMode: true });
    assert.equal((await sent([])).response.statusCode, 400);
    const response = await fetch(`http://localhost:${gate?.port}/echo/x`).catch(() =>
      fetch(`http://127.0.0.1:${gate?.port}/echo/x`),
    );
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('x-countersign-dev'), 'unauthenticated');
    const from = async (origin: string) =>
      (await fetch(`http://127.0.0.1:${gate?.port}/echo/x`, { headers: { origin } })).status;
    assert.deepEqual(
      [await from('http://evil.example'), await from('null'), await from('http://localhost:3000')],
      [400, 400, 200],
    );
    // Pictures, scripts and styles are asked for without an Origin; where a link leads, its reader sees.
    const asked = async (site: string, mode: string, dest: string, method = 'GET', more: readonly string[] = []) => {
      const lines = [`Sec-Fetch-Site: ${site}`, `Sec-Fetch-Mode: ${mode}`, `Sec-Fetch-Dest: ${dest}`, ...more];
      const head = [`${method} /echo/x HTTP/1.1`, 'Host: localhost', 'Connection: close', ...lines, '', ''];
      return Number((await rawExchange((gate as Door).port, head.join('\r\n'))).slice(9, 12));
    };
    for (const dest of ['image', 'script', 'style', 'iframe', 'empty'])
      assert.equal(await asked('cross-site', dest === 'iframe' ? 'navigate' : 'no-cors', dest), 400, dest);
    assert.equal(await asked('cross-site', 'navigate', 'document'), 200);
    assert.equal(await asked('cross-site', 'navigate', 'document', 'POST'), 400);
    // To a browser localhost and 127.0.0.1 are two sites.
    for (const [page, status] of [
      ['http://localhost:3000/', 200],
      ['https://localhost.evil.example/', 400],
      ['http://evil.example/localhost', 400],
    ] as const)
      assert.equal(await asked('cross-site', 'no-cors', 'image', 'GET', [`Referer: ${page}`]), status, page);
    for (const site of ['same-origin', 'same-site', 'none']) assert.equal(await asked(site, 'no-cors', 'image'), 200);
  });

  it('follows a reload at the next request', async () => {
    await opened();
    await sent(good);
    gate?.reload([{ name: 'other', upstream: upstream?.url ?? '' }]);
    assert.equal((await sent(good)).response.statusCode, 404);
    assert.equal((await sent(good, '/other/x')).response.statusCode, 200);
  });
});
