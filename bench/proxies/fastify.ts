import proxy from '@fastify/http-proxy';
import fastify from 'fastify';
import { announce } from './child.ts';

const app = fastify({ logger: false });
await app.register(proxy, { upstream: process.argv[2] ?? '', prefix: '/', undici: { pipelining: 1 } });
await app.ready();
announce(app.server);
