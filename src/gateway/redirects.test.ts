import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { door, testUpstream, type Door, type TestUpstream } from '../../test/fixtures/gateway-door.ts';

describe('a redirect of an upstream', () => {
  let upstream: TestUpstream;
  let gate: Door;

  before(async () => {
    upstream = await testUpstream((req, res) => {
      const location = String(req.headers['x-to']).replace('OWN', `http://127.0.0.1:${upstream.port}`);
      res.writeHead(307, { Location: location.replace('HOST', `http://${req.headers.host}`) }).end();
    });
    gate = await door({
      services: [
        { name: 'files', upstream: upstream.url },
        { name: 'based', upstream: `${upstream.url}/mcp` },
        { name: 'web', upstream: upstream.url, hosts: ['web.test'] },
        { name: 'site', upstream: `${upstream.url}/mcp`, hosts: ['site.test'] },
      ],
    });
  });
  after(async () => {
    await gate.close();
    await upstream.close();
  });

  /** Where the caller is sent who asked for the path. */
  function sent(path: string, to: string, host = `127.0.0.1:${gate.port}`): Promise<string | undefined> {
    return new Promise((resolve, reject) => {
      const headers = { host, 'x-to': to.replace('GATE', `http://${host}`), authorization: 'Bearer good' };
      const asked = request({ host: '127.0.0.1', port: gate.port, path, headers }, (response) => {
        response.resume();
        resolve(response.headers.location);
      });
      asked.on('error', reject).end();
    });
  }

  /** Each as an upstream says it, with where the caller is sent. */
  async function leads(path: string, host: string | undefined, ways: Readonly<Record<string, string>>): Promise<void> {
    for (const [to, expected] of Object.entries(ways)) assert.equal(await sent(path, to, host), expected, to);
  }

  it('to another path of its own leads there by way of the gateway', async () => {
    await leads('/files/x', undefined, {
      '/x/': '/files/x/',
      '/': '/files/',
      '/mcp/?a=1#b': '/files/mcp/?a=1#b',
      '/filesystem': '/files/filesystem',
      'OWN/x/': '/files/x/',
      OWN: '/files',
      'OWN?a=1': '/files?a=1',
      'HOST/x/': '/files/x/',
      'GATE/x/': '/files/x/',
      'OWN/web/': '/files/web/',
    });
  });

  it('that has the prefix already, or means another service or another place, stays as it is', async () => {
    for (const to of [
      '/files/x/',
      '/files',
      '/web/login',
      'x/',
      '?next',
      '',
      '//other.test/x',
      '/\\other.test/x',
      'https://other.test/files',
      'http://127.0.0.1/x',
      'mailto:a@b.test',
      'http://[',
    ])
      assert.equal(await sent('/files/x', to), to, to);
  });

  it('loses the base path of the service, and leads nowhere else than below it', async () => {
    await leads('/based', undefined, {
      '/mcp/': '/based/',
      '/mcp': '/based',
      'OWN/mcp/x?y': '/based/x?y',
      '/mcpx': '/mcpx',
      '/login': '/login',
    });
  });

  it('of a service with a host of its own has no prefix', async () => {
    await leads('/x', 'web.test', {
      '/x/': '/x/',
      'OWN/x/': '/x/',
      OWN: '/',
      'GATE/files/x': '/files/x',
    });
  });

  it('that loses its base path leads to no other host, and stays one from the root', async () => {
    await leads('/x', 'site.test', {
      '/mcp//other.test/x': '/mcp//other.test/x',
      '/mcp/\\other.test/x': '/mcp/\\other.test/x',
      '/mcp/\t/other.test/x': '/mcp/\t/other.test/x',
      '/mcp?a': '/?a',
      '/mcp': '/',
    });
  });

  it('from HTTP to HTTPS leads there', async () => {
    for (const [path, host, to, expected] of [
      ['/x', 'web.test', 'https://web.test/x', 'https://web.test/x'],
      ['/files/x', 'gate.test', 'https://gate.test/x', 'https://gate.test/files/x'],
      ['/files/x', 'gate.test', 'HTTPS://Gate.test/files/x', 'https://gate.test/files/x'],
      ['/files/x', 'gate.test', 'http://gate.test/x', '/files/x'],
    ] as const)
      assert.equal(await sent(path, to, host), expected, to);
  });
});
