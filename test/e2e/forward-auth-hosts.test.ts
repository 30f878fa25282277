/** A proxy's question carries the host of the service that it is about; it is still a question, never a request to forward. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sendRaw, startProgram, startUpstream } from './program.ts';

test('a question about a service with hosts of its own is judged, and never reaches the service', async (t) => {
  const upstream = await startUpstream(t);
  const program = await startProgram(t, {
    yaml: `mode: enforce
trustedProxies: [127.0.0.1/32]
services:
  echo:
    upstream: ${upstream.url}
    hosts: [echo.example]
    routes: [{ path: /open, access: public }]
`,
  });
  const ask = (lines: string): Promise<{ status: number; text: string }> =>
    sendRaw(program.port, `${lines}\r\nHost: echo.example\r\nConnection: close\r\n\r\n`);
  const forwarded = (path: string): string =>
    `GET /auth/verify/forward HTTP/1.1\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: echo.example\r\nX-Forwarded-Uri: ${path}`;

  assert.equal((await ask(forwarded('/open'))).status, 200);
  assert.equal((await ask(forwarded('/closed'))).status, 401);
  assert.equal((await ask('GET /auth/verify/envoy/open HTTP/1.1')).status, 200);
  assert.equal((await ask('GET /auth/verify/envoy/closed HTTP/1.1')).status, 401);
  const upgrade = `GET /auth/verify/envoy/closed HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==`;
  assert.equal((await sendRaw(program.port, `${upgrade}\r\nHost: echo.example\r\n\r\n`)).status, 401);
  assert.deepEqual(upstream.requests, []);
});
