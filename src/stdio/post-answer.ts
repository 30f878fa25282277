import type { ServerResponse } from 'node:http';
import type { JsonObject } from '../core/json/object.ts';
import { EventStream } from './event-stream.ts';
import type { Reply } from './peer.ts';

export interface PostAnswerOptions {
  readonly res: ServerResponse;
  /** Requests in the body, each of which gets a response. */
  readonly awaited: number;
  /** The client takes an event stream. */
  readonly streams: boolean;
  /** After so many milliseconds it should see that something is under way. */
  readonly patienceMillis: number;
  readonly headers: Readonly<Record<string, string>>;
  /** The status of a response that comes alone: the later revision says with it what went wrong. */
  readonly statusOf: (message: JsonObject) => number;
  /** The client reads more slowly than the server speaks. */
  readonly onFull: () => void;
}

/** What goes back for one POST: a single response as JSON where nothing came before it, else an event stream. */
export class PostAnswer implements Reply {
  readonly #options: PostAnswerOptions;
  #awaited: number;
  #stream: EventStream | null = null;
  readonly #collected: JsonObject[] = [];
  #patience: NodeJS.Timeout | null = null;

  constructor(options: PostAnswerOptions) {
    this.#options = options;
    this.#awaited = options.awaited;
    if (options.streams) this.#patience = setTimeout(() => this.#opened(), options.patienceMillis);
    options.res.on('close', () => this.#calm());
  }

  /** True while more may be said to this client. */
  get streams(): boolean {
    return this.#options.streams && this.#awaited > 0 && !this.#options.res.destroyed;
  }

  notify(message: JsonObject): void {
    // Who takes no stream can be told of nothing but the response.
    if (this.streams && !this.#opened().send(message)) this.#options.onFull();
  }

  finish(message: JsonObject): void {
    if (this.#awaited === 0) return;
    this.#awaited -= 1;
    if (this.#stream) {
      if (!this.#stream.send(message)) this.#options.onFull();
      if (this.#awaited === 0) this.#stream.end();
      return;
    }
    this.#collected.push(message);
    if (this.#awaited > 0) return;
    this.#calm();
    const { res, headers, awaited, statusOf } = this.#options;
    if (res.destroyed) return;
    const text = JSON.stringify(awaited === 1 ? message : this.#collected);
    const status = awaited === 1 ? statusOf(message) : 200;
    res.writeHead(status, { 'content-type': 'application/json', ...headers });
    res.end(text);
  }

  #opened(): EventStream {
    if (this.#stream) return this.#stream;
    this.#calm();
    this.#stream = new EventStream(this.#options.res, this.#options.headers);
    for (const message of this.#collected.splice(0)) this.#stream.send(message);
    return this.#stream;
  }

  #calm(): void {
    if (this.#patience) clearTimeout(this.#patience);
    this.#patience = null;
  }
}
