import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import express from 'express';
import { adapterContract, endless, servedBy, type Serve } from '../adapter.contract.ts';
import { mcpGuard, principalOf } from './index.ts';

const who = (req: express.Request): string | null => principalOf(req.auth)?.id ?? null;

const serve: Serve = async (protection) => {
  const app = express();
  app.use(mcpGuard(protection));
  app.use('/boom', () => {
    throw new Error('boom');
  });
  app.post('/json', express.json(), (req, res) => {
    res.json({ principal: who(req), value: req.body as unknown });
  });
  app.get('/missing', (_req, res) => void res.status(404).end());
  app.get('/stream', (_req, res) => void Readable.from(endless()).pipe(res));
  app.use((req, res) => {
    const hash = createHash('sha256');
    let length = 0;
    req.on('data', (chunk: Buffer) => {
      hash.update(chunk);
      length += chunk.length;
    });
    req.on('end', () => {
      const identity = [...Object.keys(req.headers), ...req.rawHeaders].filter((name) => /^x.auth/i.test(name));
      res.json({ principal: who(req), identity, length, sha256: hash.digest('hex') });
    });
  });
  app.use((_error: unknown, _req: express.Request, res: express.Response, _next: express.NextFunction) => {
    res.status(500).end();
  });
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return servedBy(server);
};

adapterContract('countersign/mcp', serve);
