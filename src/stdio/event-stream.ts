import type { ServerResponse } from 'node:http';
import type { JsonObject } from '../core/json/object.ts';

/** How much may wait for a client that does not read before the server is asked to wait too, and before it is given up. */
const waitingBytesMax = 67_108_864;
const keepAliveMillis = 15_000;

/** Server-sent events, one message each (2025-11-25, Transports; the later revision has the same). */
export class EventStream {
  readonly #res: ServerResponse;
  readonly #keepAlive: NodeJS.Timeout;

  constructor(res: ServerResponse, headers: Readonly<Record<string, string>>) {
    this.#res = res;
    res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache, no-transform', ...headers });
    res.flushHeaders();
    this.#keepAlive = setInterval(() => res.write(':\n\n'), keepAliveMillis);
    res.on('close', () => clearInterval(this.#keepAlive));
  }

  /** False: what follows has to wait until the response drains. */
  send(message: JsonObject): boolean {
    if (this.#res.destroyed || this.#res.writableEnded) return true;
    const more = this.#res.write(`event: message\ndata: ${JSON.stringify(message)}\n\n`);
    if (this.#res.writableLength > waitingBytesMax) this.#res.destroy();
    return more || this.#res.destroyed;
  }

  end(): void {
    clearInterval(this.#keepAlive);
    this.#res.end();
  }
}
