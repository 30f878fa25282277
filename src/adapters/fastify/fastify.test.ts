import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { fastify } from 'fastify';
import { adapterContract, endless, sha256, type Serve } from '../adapter.contract.ts';
import { fastifyGuard } from './index.ts';

const serve: Serve = async (protection) => {
  const guard = fastifyGuard(protection);
  const { frameworkErrors } = guard;
  const app = fastify({ bodyLimit: 16_777_216, forceCloseConnections: true, frameworkErrors });
  await app.register(guard);
  app.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, body),
  );
  app.all('/boom', () => {
    throw new Error('boom');
  });
  app.post('/json', (request) => ({ principal: request.principal?.id ?? null, value: request.body }));
  app.get('/stream', (_request, reply) => reply.send(Readable.from(endless())));
  app.all('/*', (request, reply) => {
    if (request.url === '/missing') return reply.callNotFound();
    const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
    const names = [...Object.keys(request.headers), ...request.raw.rawHeaders];
    return reply.send({
      principal: request.principal?.id ?? null,
      identity: names.filter((name) => /^x.auth/i.test(name)),
      length: body.length,
      sha256: sha256(body),
    });
  });
  await app.listen({ port: 0, host: '127.0.0.1' });
  return { server: app.server, port: (app.server.address() as AddressInfo).port, close: () => app.close() };
};

adapterContract('countersign/fastify', serve);
