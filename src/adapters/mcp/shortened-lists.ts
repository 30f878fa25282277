import type { IncomingMessage, OutgoingHttpHeader, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { isOfOriginalBytes, listFilter, UnreadableAnswer, type ListFilter } from '../../core/mcp/lists.ts';
import { hasRules, type McpRules } from '../../core/mcp/rules.ts';
import type { Refusal } from '../../core/refusal.ts';
import type { Principal } from '../../core/verdict.ts';

export interface ShortenOptions {
  readonly principal: Principal;
  readonly rules: McpRules;
  /** Told of an answer that cannot be looked into, and what is sent in its place; `what`: what it has that it should not. */
  readonly refuse: (what: string) => Refusal;
}

/**
 * Takes out of the lists in an answer what its caller may not use, however the handler writes it: with writeHead, write and end,
 * or by way of what calls those. The handler is asked for an answer that is not compressed.
 */
export function shortenLists(req: IncomingMessage, res: ServerResponse, options: ShortenOptions): void {
  // To HEAD there is no body that could be looked into.
  if (!hasRules(options.rules) || req.method === 'HEAD') return;
  askForPlain(req);
  new ShortenedAnswer(res, options).standBefore();
}

function askForPlain(req: IncomingMessage): void {
  const { rawHeaders } = req;
  for (let index = rawHeaders.length - 2; index >= 0; index -= 2)
    if (rawHeaders[index]?.toLowerCase() === 'accept-encoding') rawHeaders.splice(index, 2);
  rawHeaders.push('accept-encoding', 'identity');
  req.headers['accept-encoding'] = 'identity';
  req.headersDistinct['accept-encoding'] = ['identity'];
}

type Done = (error?: Error | null) => void;
type GivenHeaders = OutgoingHttpHeaders | readonly OutgoingHttpHeader[] | undefined;

class ShortenedAnswer {
  readonly #res: ServerResponse;
  readonly #options: ShortenOptions;
  readonly #writeHead: (status: number) => unknown;
  readonly #write: (bytes: Buffer, done?: Done) => boolean;
  readonly #end: (bytes: Buffer | undefined, done?: Done) => unknown;
  readonly #flushHeaders: () => void;
  /** 'held': nothing goes out before all of it has come in. 'over': what the handler still says is told to nobody. */
  #state: 'new' | 'open' | 'held' | 'over' = 'new';
  #filter: ListFilter | null = null;

  constructor(res: ServerResponse, options: ShortenOptions) {
    this.#res = res;
    this.#options = options;
    this.#writeHead = res.writeHead.bind(res);
    this.#write = res.write.bind(res) as typeof this.write;
    this.#end = res.end.bind(res);
    this.#flushHeaders = res.flushHeaders.bind(res);
  }

  standBefore(): void {
    const res = this.#res;
    // The functions that are stood before have more forms than one can write here without losing sight of what happens.
    const own: Record<string, unknown> = {
      writeHead: (status: number, ...rest: readonly unknown[]) => this.head(status, rest),
      write: (chunk: unknown, ...rest: readonly unknown[]) => this.write(bytesOf(chunk, rest), doneOf(rest)),
      end: (...args: readonly unknown[]) => this.end(bytesOf(args[0], args.slice(1)), doneOf(args)),
      flushHeaders: () => this.flushHeaders(),
    };
    Object.assign(res, own);
  }

  head(status: number, [first, second]: readonly unknown[]): ServerResponse {
    const res = this.#res;
    if (this.#state === 'over') return res;
    res.statusCode = status;
    if (typeof first === 'string') res.statusMessage = first;
    setAll(res, (typeof first === 'string' ? second : (first ?? second)) as GivenHeaders);
    const { principal, rules, refuse } = this.#options;
    // The answer goes on, and one of what it holds is not let out.
    const options = { principal, rules, onUnread: (what: string) => void refuse(what) };
    const [type, coding] = ['content-type', 'content-encoding'].map((name) => String(res.getHeader(name) ?? ''));
    this.#look(() => (this.#filter = listFilter(type as string, coding as string, options)));
    if (this.#isOver()) return res;
    if (this.#filter !== null)
      for (const name of res.getHeaderNames()) if (isOfOriginalBytes(name)) res.removeHeader(name);
    this.#state = this.#filter?.whole === true ? 'held' : 'open';
    if (this.#state === 'open') this.#writeHead(status);
    return res;
  }

  write(bytes: Buffer, done?: Done): boolean {
    this.#begin();
    const out = this.#filtered(bytes);
    if (out !== null && out.length > 0) return this.#write(out, done);
    if (done) process.nextTick(done);
    return true;
  }

  end(last: Buffer, done?: Done): ServerResponse {
    // Ended twice, an answer is not said twice: what comes of it is node:http's to say.
    if (!this.#isOver() && this.#res.writableEnded) {
      this.#end(last.length === 0 ? undefined : last, done);
      return this.#res;
    }
    // What node:http would say of an answer that is written at once.
    if (this.#state === 'new' && !this.#res.hasHeader('transfer-encoding')) this.#setLength(last.length);
    this.#begin();
    const pieces = [last.length === 0 ? last : this.#filtered(last), this.#look(() => this.#filter?.end() ?? nothing)];
    if (this.#isOver()) {
      if (done) process.nextTick(done);
      return this.#res;
    }
    const whole = Buffer.concat(pieces.filter((piece) => piece !== null));
    if (this.#state === 'held') {
      this.#state = 'open';
      this.#setLength(whole.length);
      this.#writeHead(this.#res.statusCode);
    }
    this.#end(whole.length === 0 ? undefined : whole, done);
    return this.#res;
  }

  flushHeaders(): void {
    this.#begin();
    if (this.#state === 'open') this.#flushHeaders();
  }

  #setLength(length: number): void {
    if (this.#res.statusCode !== 204 && this.#res.statusCode !== 304) this.#res.setHeader('content-length', length);
  }

  /** As node:http begins an answer whose head nobody wrote: by whichever writeHead stands first. */
  #begin(): void {
    if (this.#state === 'new') this.#res.writeHead(this.#res.statusCode);
  }

  #filtered(bytes: Buffer): Buffer | null {
    const filter = this.#filter;
    if (this.#isOver()) return null;
    return filter === null ? bytes : this.#look(() => filter.push(bytes));
  }

  /** Null where it cannot be looked into: then the answer is over. */
  #look<T>(look: () => T): T | null {
    if (this.#isOver()) return null;
    try {
      return look();
    } catch (error) {
      if (!(error instanceof UnreadableAnswer)) throw error;
      this.#refuse(this.#options.refuse(error.message));
      return null;
    }
  }

  #refuse({ status, headers, body }: Refusal): void {
    const res = this.#res;
    this.#state = 'over';
    // Ending in peace would make half an answer look whole.
    if (res.headersSent) return void res.destroy();
    for (const name of res.getHeaderNames())
      if (name === 'content-encoding' || isOfOriginalBytes(name)) res.removeHeader(name);
    res.statusMessage = '';
    setAll(res, headers);
    this.#writeHead(status);
    this.#end(Buffer.from(body));
  }

  #isOver(): boolean {
    return this.#state === 'over';
  }
}

const nothing = Buffer.alloc(0);

/** As writeHead takes them: an object, names and values in turn, or pairs of those. */
function setAll(res: ServerResponse, given: GivenHeaders): void {
  if (given === undefined) return;
  if (!Array.isArray(given)) {
    for (const [name, value] of Object.entries(given)) if (value !== undefined) res.setHeader(name, value);
    return;
  }
  const flat = given.every(Array.isArray) ? given.flat() : given;
  const pairs = Array.from({ length: flat.length / 2 }, (_, index) => flat.slice(index * 2, index * 2 + 2));
  for (const [name] of pairs) res.removeHeader(String(name));
  for (const [name, value] of pairs) res.appendHeader(String(name), value as string);
}

function bytesOf(chunk: unknown, [encoding]: readonly unknown[]): Buffer {
  if (typeof chunk === 'string')
    return Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8');
  if (chunk instanceof Uint8Array) return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  if (chunk === undefined || chunk === null || typeof chunk === 'function') return nothing;
  throw new TypeError('an answer is written in texts and bytes');
}

function doneOf(args: readonly unknown[]): Done | undefined {
  return args.find((value): value is Done => typeof value === 'function');
}
