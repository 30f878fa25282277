import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { Readable } from 'node:stream';
import express from 'express';
import { adapterContract, endless, servedBy, type Serve } from '../adapter.contract.ts';
import { expressGuard } from './index.ts';

/** What is used of it here is typed as in the later version. */
const express4 = createRequire(import.meta.url)('express-4') as typeof express;

const serving =
  (make: typeof express): Serve =>
  async (protection) => {
    const app = make();
    app.use(expressGuard(protection));
    app.use('/boom', () => {
      throw new Error('boom');
    });
    app.post('/json', make.json(), (req, res) => {
      res.json({ principal: req.principal?.id ?? null, value: req.body as unknown });
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
        res.json({ principal: req.principal?.id ?? null, identity, length, sha256: hash.digest('hex') });
      });
    });
    // Express logs what a handler throws unless somebody else answers it.
    app.use((_error: unknown, _req: express.Request, res: express.Response, _next: express.NextFunction) => {
      res.status(500).end();
    });
    const server = app.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return servedBy(server);
  };

adapterContract('countersign/express', serving(express));
adapterContract('countersign/express, on Express 4', serving(express4));
