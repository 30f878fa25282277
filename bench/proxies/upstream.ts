import { createServer } from 'node:http';
import { announce } from './child.ts';

/** What stands behind every proxy: a small JSON answer, as fast as node:http gives it. */
const body = Buffer.from(JSON.stringify({ object: 'list', data: 'x'.repeat(200), model: 'bench' }));

const server = createServer((req, res) => {
  req.resume();
  res.writeHead(200, ['Content-Type', 'application/json', 'Content-Length', String(body.length)]);
  res.end(body);
});
server.keepAliveTimeout = 60_000;
announce(server);
