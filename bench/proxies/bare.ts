import { createServer, type ServerResponse } from 'node:http';
import { Pool, type Dispatcher } from 'undici';
import { announce } from './child.ts';

/**
 * The least that can be called a reverse proxy: hop-by-hop headers dropped both ways, streams with back-pressure, raw header
 * lists, an abort when the client leaves; no authentication, no checks, no forwarding headers.
 */
const pool = new Pool(process.argv[2] ?? '', { pipelining: 1, bodyTimeout: 0 });

const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'host',
  'expect',
]);

class Passing implements Dispatcher.DispatchHandler {
  readonly res: ServerResponse;
  abort: ((error?: Error) => void) | null = null;
  done = false;

  constructor(res: ServerResponse) {
    this.res = res;
  }

  onConnect(abort: (error?: Error) => void): void {
    this.abort = abort;
  }

  onHeaders(status: number, raw: Buffer[], resume: () => void): boolean {
    if (status < 200) return true;
    const headers: string[] = [];
    for (let index = 0; index < raw.length; index += 2) {
      const name = String(raw[index]);
      if (!hopByHop.has(name.toLowerCase())) headers.push(name, (raw[index + 1] as Buffer).toString('latin1'));
    }
    this.res.writeHead(status, headers);
    this.res.on('drain', resume);
    return true;
  }

  onData(chunk: Buffer): boolean {
    return this.res.write(chunk);
  }

  onComplete(): void {
    this.done = true;
    this.res.end();
  }

  onError(): void {
    if (this.done) return;
    this.done = true;
    if (this.res.headersSent) this.res.destroy();
    else this.res.writeHead(502).end();
  }
}

announce(
  createServer((req, res) => {
    const headers: string[] = [];
    for (let index = 0; index < req.rawHeaders.length; index += 2) {
      const name = req.rawHeaders[index] as string;
      if (!hopByHop.has(name.toLowerCase())) headers.push(name, req.rawHeaders[index + 1] as string);
    }
    const passing = new Passing(res);
    res.on('close', () => {
      if (!passing.done) passing.abort?.();
    });
    const hasBody = req.headers['content-length'] !== undefined || req.headers['transfer-encoding'] !== undefined;
    pool.dispatch({ path: req.url ?? '/', method: req.method ?? 'GET', headers, body: hasBody ? req : null }, passing);
  }),
);
