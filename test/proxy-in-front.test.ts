/** The configurations that docs/deploy-proxies.md shows for proxies that pass everything on to the gateway, run as they stand there. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { cpSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { parse, stringify } from 'yaml';
import { rawRequest } from './fixtures/authority-stack.ts';
import { freePort } from './fixtures/free-port.ts';
import { door, testUpstream } from './fixtures/gateway-door.ts';
import { caddy, haproxy, nginx, provide, skipWithout, traefik, type Program } from './fixtures/programs.ts';
import { startProxy, temporaryFolder } from './fixtures/proxied-stack.ts';

const root = join(import.meta.dirname, '..');

interface Proxy {
  readonly program: Program;
  /** Of the block in the page. */
  readonly begins: string;
  /** Writes what else there is into the folder, and says how it is started with the page's own words. */
  start(folder: string, shown: string): readonly string[];
}

const proxies: Readonly<Record<string, Proxy>> = {
  nginx: {
    program: nginx,
    begins: '```nginx\nmap ',
    start(folder, shown) {
      cpSync(join(root, 'deploy/nginx/countersign'), join(folder, 'countersign'), { recursive: true });
      const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${name};`);
      const around = `daemon off; user root; pid nginx.pid; error_log stderr crit; events {}\n`;
      writeFileSync(join(folder, 'nginx.conf'), `${around}http {\naccess_log off;\n${paths.join('\n')}\n${shown}}\n`);
      return ['-c', join(folder, 'nginx.conf'), '-p', folder];
    },
  },
  Caddy: {
    program: caddy,
    begins: '```caddy\nimport ',
    start(folder, shown) {
      cpSync(join(root, 'deploy/caddy/countersign.caddy'), join(folder, 'countersign.caddy'));
      writeFileSync(join(folder, 'Caddyfile'), `{\n\tadmin off\n}\n${shown}`);
      return ['run', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile'];
    },
  },
  HAProxy: {
    program: haproxy,
    begins: '```haproxy\ndefaults',
    start(folder, shown) {
      writeFileSync(join(folder, 'haproxy.cfg'), shown);
      return ['-db', '-f', join(folder, 'haproxy.cfg')];
    },
  },
  Traefik: {
    program: traefik,
    begins: '```yaml\nhttp:\n  routers:\n    gateway:',
    start(folder, shown) {
      const { http } = parse(readFileSync(join(root, 'deploy/traefik/dynamic.yaml'), 'utf8'));
      const router = parse(shown).http;
      writeFileSync(join(folder, 'dynamic.yaml'), stringify({ http: { ...router, middlewares: http.middlewares } }));
      const entry = readFileSync(join(root, 'deploy/traefik/traefik.yaml'), 'utf8');
      writeFileSync(join(folder, 'traefik.yaml'), entry.replace('dynamic.yaml', join(folder, 'dynamic.yaml')));
      return [`--configFile=${join(folder, 'traefik.yaml')}`];
    },
  },
};

for (const [name, proxy] of Object.entries(proxies))
  test(`${name} in front of the gateway`, { skip: skipWithout(proxy.program), timeout: 60_000 }, async (t) => {
    const { port, upstream, stream } = await behind(t, proxy);
    await t.test('says where a request came from, and lets no client say it', async () => {
      const claims = [
        'X-Auth-Principal',
        'Remote-User',
        'X-WEBAUTH-USER',
        'X-Forwarded-User',
        'Client-Cert',
        'X-Forwarded-For',
        'X-Forwarded-Host',
        'X-Forwarded-Port',
        'X-Forwarded-Prefix',
        'X-Real-IP',
        'True-Client-IP',
        'Forwarded',
        'X-Original-URL',
      ].map((claim) => `${claim}: client`);
      const lines = ['GET /echo/x?a=%2F HTTP/1.1', 'Host: stack.example.org', 'Authorization: Bearer good', ...claims];
      assert.equal((await rawRequest(port, lines)).status, 200);
      const seen = upstream.seen.at(-1);
      assert.equal(seen?.url, '/x?a=%2F');
      assert.equal(seen.headers['x-auth-principal'], 'service:aidb');
      assert.equal(seen.headers['x-forwarded-for'], '127.0.0.1, 127.0.0.1');
      assert.equal(seen.headers['x-forwarded-host'], 'stack.example.org');
      const left = Object.keys(seen.headers).filter((header) => String(seen.headers[header]).includes('client'));
      assert.deepEqual(left, []);
    });
    await t.test('passes an event on before the next one is there', async () => {
      const socket = connect(port, '127.0.0.1');
      socket.write('GET /echo/stream HTTP/1.1\r\nHost: stack.example.org\r\nAuthorization: Bearer good\r\n\r\n');
      await once(socket, 'data');
      stream().end('data: 2\n\n');
      let rest = '';
      socket.on('data', (chunk: Buffer) => (rest += chunk.toString()));
      while (!rest.includes('data: 2')) await once(socket, 'data');
      socket.destroy();
    });
    await t.test('passes a refusal on as it is', async () => {
      const { status, headers } = await rawRequest(port, ['GET /echo/x HTTP/1.1', 'Host: stack.example.org']);
      assert.equal(status, 401);
      assert.match(headers['www-authenticate'] ?? '', /^Bearer/);
    });
  });

/** A gateway with one service, behind the proxy as the page shows it. */
async function behind(t: TestContext, { program, begins, start }: Proxy) {
  let open: ServerResponse | undefined;
  const upstream = await testUpstream((req, res) => {
    if (req.url !== '/stream') return void res.end('echo answers');
    res.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n');
    open = res;
  });
  const services = [{ name: 'echo', upstream: upstream.url }];
  const gateway = await door({ services, trustedProxies: ['127.0.0.1'] });
  t.after(async () => {
    await gateway.close();
    await upstream.close();
  });
  const port = await freePort();
  const page = readFileSync(join(root, 'docs/deploy-proxies.md'), 'utf8');
  const at = page.indexOf(begins);
  assert.notEqual(at, -1, begins);
  const block = page.slice(page.indexOf('\n', at) + 1, page.indexOf('\n```', at) + 1);
  const ported = (text: string): string => text.replaceAll(':8080', `:${port}`).replaceAll(':8700', `:${gateway.port}`);
  const folder = temporaryFolder(t, 'front');
  const args = start(folder, block);
  for (const name of readdirSync(folder, { withFileTypes: true }))
    if (name.isFile()) {
      const file = join(folder, name.name);
      writeFileSync(file, ported(readFileSync(file, 'utf8')));
    }
  const env = { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
  await startProxy(t, provide(program), args, { port, env });
  const answers = async (): Promise<number> =>
    (await rawRequest(port, ['GET /echo/x HTTP/1.1', 'Host: stack.example.org'])).status;
  // Traefik listens before it has read its routers.
  while ((await answers()) === 404) await setTimeout(20);
  return {
    port,
    upstream,
    stream(): ServerResponse {
      assert.ok(open);
      return open;
    },
  };
}
