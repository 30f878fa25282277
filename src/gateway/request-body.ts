import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';

/**
 * The client's body for the upstream, at the upstream's pace. A stream of its own, since the upstream's client destroys the
 * body of a request that failed, and destroying node:http's request would take away the socket the refusal has to go out on.
 */
export class RequestBody extends Readable {
  readonly #req: IncomingMessage;
  readonly #onData: (chunk: Buffer) => void;
  readonly #onEnd: () => void;
  readonly #onGone: () => void;
  #started = false;

  constructor(req: IncomingMessage) {
    super({ highWaterMark: 65_536 });
    this.#req = req;
    // An error that nobody listens for any more would end the process.
    this.on('error', () => undefined);
    this.#onData = (chunk) => {
      if (!this.push(chunk)) req.pause();
    };
    this.#onEnd = () => {
      this.push(null);
    };
    this.#onGone = () => {
      // 'close' follows 'end' too: only a body that broke off is an error.
      if (!req.readableEnded) this.destroy(new Error('the client went away before its body was complete'));
    };
  }

  override _read(): void {
    if (!this.#started) {
      // Not before the upstream's client reads: of a stream that has ended already it would send the length, and a chunked
      // body is to stay chunked.
      this.#started = true;
      this.#req.on('data', this.#onData).on('end', this.#onEnd).on('error', this.#onGone).on('close', this.#onGone);
      if (this.#req.destroyed) this.#onGone();
    }
    this.#req.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#req.off('data', this.#onData).off('end', this.#onEnd).off('error', this.#onGone).off('close', this.#onGone);
    // Left flowing: whoever answers now reads what remains, up to a bound (answer.ts).
    callback(error);
  }
}
