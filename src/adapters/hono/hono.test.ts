import { once } from 'node:events';
import type { Server } from 'node:http';
import { serve as serveHono } from '@hono/node-server';
import { Hono } from 'hono';
import { stream } from 'hono/streaming';
import { adapterContract, endless, servedBy, sha256, type Serve } from '../adapter.contract.ts';
import { honoGuard } from './index.ts';

const serve: Serve = async (protection) => {
  const app = new Hono();
  const guard = honoGuard(protection);
  app.use(guard);
  app.all('/boom', () => {
    throw new Error('boom');
  });
  app.onError((_error, c) => c.text('', 500));
  app.post('/json', async (c) => {
    const value: unknown = await c.req.json();
    return c.json({ principal: c.get('principal')?.id ?? null, value });
  });
  app.get('/missing', (c) => c.notFound());
  app.get('/stream', (c) =>
    stream(c, async (out) => {
      for await (const line of endless()) {
        if (out.aborted) return;
        await out.write(line);
      }
    }),
  );
  app.all('*', async (c) => {
    const body = new Uint8Array(await c.req.arrayBuffer());
    const names = [...Object.keys(c.req.header()), ...c.req.raw.headers.keys()];
    return c.json({
      principal: c.var.principal?.id ?? null,
      identity: names.filter((name) => /^x.auth/i.test(name)),
      length: body.length,
      sha256: sha256(body),
    });
  });
  const server = serveHono({
    fetch: app.fetch,
    port: 0,
    hostname: '127.0.0.1',
    createServer: guard.createServer,
  }) as Server;
  await once(server, 'listening');
  return servedBy(server);
};

adapterContract('countersign/hono', serve);
