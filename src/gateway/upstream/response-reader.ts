import { Chunks } from './chunks.ts';
import { badResponse, UpstreamError } from './fault.ts';
import { parseHead, type ResponseHead } from './response-head.ts';

/** What a response is made of, in this order: head; body, any number of times; end. Or head of status 101, and no more. */
export interface ResponseParts {
  head(head: ResponseHead): void;
  /** Only good until it returns: the memory is used again. */
  body(bytes: Buffer): void;
  /** With the last piece of the body, where that came together with the end. */
  end(last: Buffer | null): void;
}

const headBytesMax = 32_768;
/** Interim answers are hints (RFC 9110 §15.2); an endless row of them is none. */
const interimMax = 32;
const headEnd = Buffer.from('\r\n\r\n');

/** Reads one response from the bytes of a connection, however they are cut. Throws an UpstreamError on what is no HTTP/1. */
export class ResponseReader {
  readonly #parts: ResponseParts;
  readonly #method: string;
  #state: 'head' | 'length' | 'chunked' | 'close' | 'switched' | 'done' = 'head';
  /** A head that has not come in whole. */
  #begun: Buffer | null = null;
  #interims = 0;
  #left = 0;
  #chunks: Chunks | null = null;
  /** The newest piece of a chunked body, held back until it is known whether the end came with it. */
  #piece: Buffer | null = null;
  /** Whether a byte of the response has come in. */
  started = false;

  constructor(parts: ResponseParts, method: string) {
    this.#parts = parts;
    this.#method = method;
  }

  get done(): boolean {
    return this.#state === 'done';
  }

  /** Returns how many bytes belong to the response; those behind it are no part of anything. */
  read(bytes: Buffer): number {
    this.started = true;
    let at = 0;
    while (this.#state === 'head' && at < bytes.length) at = this.#readHead(bytes, at);
    if (at === bytes.length) return at;
    if (this.#state === 'length') return this.#readLength(bytes, at);
    if (this.#state === 'chunked') return this.#readChunks(bytes, at);
    if (this.#state !== 'close') return at;
    this.#parts.body(at === 0 ? bytes : bytes.subarray(at));
    return bytes.length;
  }

  /** The connection has ended: so does a body that goes on until then. Throws where anything is missing. */
  close(): void {
    if (this.#state === 'done' || this.#state === 'switched') return;
    if (this.#state !== 'close')
      throw new UpstreamError('connection_lost', 'the connection ended before the response was complete');
    this.#state = 'done';
    this.#parts.end(null);
  }

  #readHead(bytes: Buffer, at: number): number {
    const begun = this.#begun;
    const whole = begun === null ? bytes : Buffer.concat([begun, bytes.subarray(at)]);
    const start = begun === null ? at : 0;
    // The empty line may have been cut in two.
    const end = whole.indexOf(headEnd, begun === null ? start : Math.max(0, begun.length - 3));
    if ((end === -1 ? whole.length : end) - start > headBytesMax) throw badResponse('a head that is too long');
    if (end === -1) {
      this.#begun = Buffer.from(whole.subarray(start));
      return bytes.length;
    }
    this.#begun = null;
    this.#take(parseHead(whole.toString('latin1', start, end), this.#method));
    return at + (end + headEnd.length - start) - (begun?.length ?? 0);
  }

  #take(head: ResponseHead): void {
    const { status, framing } = head;
    if (status < 200 && status !== 101) {
      this.#interims += 1;
      if (this.#interims > interimMax) throw badResponse('too many interim answers');
      return;
    }
    if (status === 101) {
      this.#state = 'switched';
      this.#parts.head(head);
      return;
    }
    if (framing.kind === 'length') this.#left = framing.bytes;
    if (framing.kind === 'chunked') this.#chunks = new Chunks();
    this.#state = framing.kind === 'none' ? 'done' : framing.kind;
    this.#parts.head(head);
    if (framing.kind === 'none') this.#parts.end(null);
  }

  #readLength(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.#left);
    const piece = at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end);
    this.#left -= end - at;
    if (this.#left > 0) this.#parts.body(piece);
    else {
      this.#state = 'done';
      this.#parts.end(piece);
    }
    return end;
  }

  #readChunks(bytes: Buffer, at: number): number {
    const chunks = this.#chunks as Chunks;
    const end = chunks.read(bytes, at, (piece) => {
      if (this.#piece !== null) this.#parts.body(this.#piece);
      this.#piece = piece;
    });
    const last = this.#piece;
    this.#piece = null;
    if (chunks.done) {
      this.#state = 'done';
      this.#parts.end(last);
    } else if (last !== null) this.#parts.body(last);
    return end;
  }
}
