/**
 * One hello-world server in a process of its own: `node server.ts express|fastify|hono|node bare|least|guarded FOLDER`. Prints
 * its port; ends when its standard input does. least: the API key is hashed and looked up, and nothing else is done.
 */
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import express from 'express';
import { fastify } from 'fastify';
import { Hono } from 'hono';
import { expressGuard } from '../../src/adapters/express/index.ts';
import { fastifyGuard } from '../../src/adapters/fastify/index.ts';
import { honoGuard } from '../../src/adapters/hono/index.ts';
import { nodeGuard } from '../../src/adapters/node/index.ts';
import { protection, type Protection } from '../../src/compose/protection/protection.ts';

const [framework = '', kind = '', folder = ''] = process.argv.slice(2);

const known = new Map<string, string>();
const isKnown = (key: unknown): boolean => known.has(hash('sha256', String(key)));
const least = kind === 'least';

const servers: Readonly<Record<string, (shared: Protection | null) => Server | Promise<Server>>> = {
  node(shared) {
    if (!shared)
      return createServer((req, res) => {
        if (!least || isKnown(req.headers['x-api-key'])) res.end('hello world');
        else res.writeHead(401).end();
      }).listen(0, '127.0.0.1');
    const guard = nodeGuard(shared);
    const handle = async (...[req, res]: Parameters<typeof guard>): Promise<void> => {
      if (await guard(req, res)) res.end('hello world');
    };
    return createServer((req, res) => void handle(req, res)).listen(0, '127.0.0.1');
  },
  express(shared) {
    const app = express();
    if (shared) app.use(expressGuard(shared));
    if (least)
      app.use((req, res, next) => {
        if (isKnown(req.headers['x-api-key'])) next();
        else res.status(401).end();
      });
    app.get('/hello', (_req, res) => void res.send('hello world'));
    return app.listen(0, '127.0.0.1');
  },
  async fastify(shared) {
    const app = fastify();
    if (shared) await app.register(fastifyGuard(shared));
    if (least)
      app.addHook('onRequest', (req, reply, done) => {
        if (isKnown(req.headers['x-api-key'])) done();
        else void reply.code(401).send();
      });
    app.get('/hello', () => 'hello world');
    await app.listen({ port: 0, host: '127.0.0.1' });
    return app.server;
  },
  hono(shared) {
    const app = new Hono();
    if (shared) app.use(honoGuard(shared));
    if (least) app.use((c, next) => (isKnown(c.req.header('x-api-key')) ? next() : Promise.resolve(c.text('', 401))));
    app.get('/hello', (c) => c.text('hello world'));
    return serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }) as Server;
  },
};

const shared =
  kind !== 'guarded'
    ? null
    : await protection({
        service: 'hello',
        keys: [{ files: `${folder}/*_api_key` }, { envFiles: `${folder}/*.env` }],
        routes: [
          { path: '/hello', methods: ['GET'] },
          { path: '/health', access: 'public' },
        ],
        env: {},
      });
known.set(hash('sha256', readFileSync(`${folder}/hello_api_key`, 'utf8')), 'service:hello');
const server = await servers[framework]?.(shared);
if (!server) throw new Error(`no framework "${framework}"`);
if (!server.listening) await new Promise((resolve) => server.once('listening', resolve));
process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
process.stdin.on('end', () => process.exit()).resume();
