import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { adapterContract, endless, servedBy, sha256, type Serve } from '../adapter.contract.ts';
import { nodeGuard } from './index.ts';

const serve: Serve = async (protection) => {
  const guard = nodeGuard(protection);
  async function handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const admitted = await guard(req, res);
    if (!admitted) return;
    const principal = admitted.principal?.id ?? null;
    const [path] = (req.url ?? '').split('?', 1);
    if (path === '/boom') throw new Error('boom');
    if (path === '/stream') return void Readable.from(endless()).pipe(res);
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    res.statusCode = path === '/missing' ? 404 : 200;
    if (path === '/json') res.end(JSON.stringify({ principal, value: JSON.parse(body.toString()) as unknown }));
    else res.end(JSON.stringify({ principal, identity: identityIn(req), length: body.length, sha256: sha256(body) }));
  }
  const server = createServer((req, res) => {
    handle(req, res).catch(() => {
      res.statusCode = 500;
      res.end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return servedBy(server);
};

function identityIn(req: IncomingMessage): string[] {
  const names = [...Object.keys(req.headers), ...Object.keys(req.headersDistinct), ...req.rawHeaders];
  return names.filter((name) => /^x.auth/i.test(name));
}

adapterContract('countersign/node', serve);
