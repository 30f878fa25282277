import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { door, testUpstream, type Door, type TestUpstream } from '../../test/fixtures/gateway-door.ts';
import { ruleFor } from '../../test/fixtures/asked.ts';
import { until } from '../../test/fixtures/until.ts';

describe('the gateway', () => {
  let upstream: TestUpstream;
  let gate: Door;

  before(async () => {
    upstream = await testUpstream((req, res) => {
      const chunks: Buffer[] = [];
      req.on('data', (chunk: Buffer) => chunks.push(chunk));
      req.on('end', () => {
        res.setHeader('x-upstream', 'yes');
        res.end(`${req.method} ${req.url} ${Buffer.concat(chunks).toString()}`);
      });
    });
    gate = await door({
      services: [
        { name: 'echo', upstream: `${upstream.url}/base` },
        { name: 'slashed', upstream: `${upstream.url}/base/` },
        { name: 'hosted', upstream: upstream.url, hosts: ['hosted.example'] },
        { name: 'rest', upstream: upstream.url, mount: '/' },
      ],
    });
  });
  after(async () => {
    await gate.close();
    await upstream.close();
  });

  const call = (path: string, init: RequestInit = {}, bearer = 'good') =>
    fetch(`http://127.0.0.1:${gate.port}${path}`, {
      ...init,
      headers: { ...(bearer === '' ? {} : { authorization: `Bearer ${bearer}` }), ...init.headers },
    });

  it('strips the prefix and puts the base path before what is left', async () => {
    assert.equal(await (await call('/echo/a/b?c=1')).text(), 'GET /base/a/b?c=1 ');
    assert.equal(await (await call('/echo/')).text(), 'GET /base/ ');
    assert.equal(await (await call('/echo/?x')).text(), 'GET /base/?x ');
  });

  it('takes the name alone for the address of the upstream as it is written', async () => {
    assert.equal(await (await call('/echo')).text(), 'GET /base ');
    assert.equal(await (await call('/echo?x')).text(), 'GET /base?x ');
    assert.equal(await (await call('/slashed?x')).text(), 'GET /base/?x ');
    assert.equal(await (await call('/slashed/a')).text(), 'GET /base/a ');
  });

  it('gives what nothing else matches to the service mounted at the root', async () => {
    assert.equal(await (await call('/nothing/else')).text(), 'GET /nothing/else ');
  });

  it('passes a body on, whole', async () => {
    const body = 'x'.repeat(200_000);
    assert.equal(await (await call('/echo/p', { method: 'POST', body })).text(), `POST /base/p ${body}`);
  });

  it('replays a body that the guard read', async () => {
    const response = await call('/echo/p', { method: 'POST', body: 'signed body' }, 'signed');
    assert.equal(await response.text(), 'POST /base/p signed body');
  });

  it('refuses a signed body over the limit with 413', async () => {
    const response = await call('/echo/p', { method: 'POST', body: 'x'.repeat(2000) }, 'signed');
    assert.equal(response.status, 413);
    assert.deepEqual(await response.json(), {
      error: 'Request body too large',
      reason: 'too_large',
      authenticated: false,
    });
  });

  it('passes a signed body over the limit on where nothing is enforced, announced or not', async () => {
    gate.mode = 'report';
    try {
      const body = 'y'.repeat(2000);
      const announced = await call('/echo/p', { method: 'POST', body }, 'signed');
      assert.equal(await announced.text(), `POST /base/p ${body}`);
      const stream = new Blob([body]).stream();
      const streamed = await call('/echo/p', { method: 'POST', body: stream, duplex: 'half' } as RequestInit, 'signed');
      assert.equal(await streamed.text(), `POST /base/p ${body}`);
    } finally {
      gate.mode = 'enforce';
    }
  });

  it('refuses with the bytes of the guard', async () => {
    const response = await call('/echo/a', {}, '');
    assert.equal(response.status, 401);
    assert.equal(response.headers.get('www-authenticate'), 'Bearer realm="countersign"');
    assert.equal(
      await response.text(),
      '{"error":"Missing Authorization header","reason":"missing_credentials","authenticated":false}',
    );
  });
});

it('keeps places for proven callers, however many requests of strangers never end', async (t) => {
  const upstream = await testUpstream((req, res) => {
    if (req.url !== '/endless') res.end('answered');
  });
  const gate = await door({
    services: [{ name: 'echo', upstream: upstream.url, rules: [ruleFor('/endless', { access: 'public' })] }],
    places: 8,
  });
  const given = new AbortController();
  t.after(async () => {
    given.abort();
    await gate.close();
    await upstream.close();
  });
  const ask = (path: string, init: RequestInit = {}) => fetch(`http://127.0.0.1:${gate.port}/echo${path}`, init);
  const endless = () => ask('/endless', { signal: given.signal });

  const held = Array.from({ length: 4 }, () => endless().catch(() => null));
  await until(() => upstream.seen.length >= 4);
  const fifth = await endless();
  assert.equal(fifth.status, 503);
  assert.equal(fifth.headers.get('retry-after'), '1');
  assert.equal((await ask('/a', { headers: { authorization: 'Bearer good' } })).status, 200);

  given.abort();
  await Promise.all(held);
  // Their places come back with their connections.
  let again = 503;
  while (again === 503)
    again = (await ask('/endless', { signal: AbortSignal.timeout(500) }).catch(() => ({ status: 0 }))).status;
  assert.equal(again, 0);
});
